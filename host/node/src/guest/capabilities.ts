// The contract's own imports: `variables`, `transport`, `quota`, `control`, `logging`.

import type { LogLevel } from '../types.js';
import { activity } from './activity.js';
import { Pollable } from './io.js';
import { forget, isCancelled, listen, readVariable, tellCaller, tellNetwork } from './lines.js';

/** Longest time that an idle socket may stay open, in seconds. */
const LONGEST_KEEP_ALIVE = 3600;

/** `permit` of `quota`. */
class Permit {
  #granted = false;
  readonly #id: number;

  constructor(bucket: string, concurrency: number | undefined) {
    this.#id = listen(() => {
      this.#granted = true;
    });
    tellNetwork({ type: 'reserve', id: this.#id, bucket, concurrency });
  }

  ready(): Pollable {
    return new Pollable(() => this.#granted);
  }

  [Symbol.dispose](): void {
    forget(this.#id);
    tellNetwork({ type: 'release', id: this.#id });
  }
}

interface Allowance {
  limit?: number;
  left?: number;
  resetMs?: bigint;
}

/** `ipaas:connector/*`. */
export const capabilities = {
  'ipaas:connector/variables': {
    get(name: string): string {
      const answer = readVariable(name);
      if ('error' in answer) throw { payload: answer.error };
      return answer.value;
    },
  },
  'ipaas:connector/transport': {
    apply(useProxy: boolean, keepAliveSeconds: number | undefined): void {
      if (useProxy && !activity.hasProxy) throw { payload: { tag: 'no-proxy' } };
      if (keepAliveSeconds !== undefined && (keepAliveSeconds === 0 || keepAliveSeconds > LONGEST_KEEP_ALIVE)) {
        const val = `idle sockets can stay open between 1 and ${LONGEST_KEEP_ALIVE} seconds`;
        throw { payload: { tag: 'refused', val } };
      }
      activity.useProxy = useProxy;
      activity.keepAlive = keepAliveSeconds === undefined ? undefined : keepAliveSeconds * 1000;
    },
  },
  'ipaas:connector/quota': {
    Permit,
    reserve: (bucket: string, concurrency: number | undefined) => new Permit(bucket, concurrency),
    report(bucket: string, { limit, left, resetMs }: Allowance): void {
      const reset = resetMs === undefined ? undefined : Number(resetMs);
      tellNetwork({ type: 'report', bucket, limit, left, resetMs: reset });
    },
  },
  'ipaas:connector/control': {
    cancelled: () => new Pollable(isCancelled),
  },
  'ipaas:connector/logging': {
    log(level: LogLevel, message: string, fields: [string, string][]): void {
      tellCaller({ type: 'log', line: { level, message, fields: Object.fromEntries(fields) } });
    },
  },
};
