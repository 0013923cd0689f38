// The thread of a guest: one instance at a time, one call after the other. It blocks while the component waits, and is ended from
// outside where the component does not come to an end.

import type { Answer, ToGuest } from '../messages.js';
import { activity } from './activity.js';
import { capabilities } from './capabilities.js';
import { wrongWith } from './check.js';
import type { Exports, FunctionName } from './convert.js';
import { failure, functions } from './convert.js';
import { http } from './http.js';
import { clocks, io } from './io.js';
import { caller, forgetAll, setup, tellCaller, tellNetwork } from './lines.js';

// Transpiled code tries `WebAssembly.promising` once per function, in one function of 18,000 lines that older versions of Node parse
// again for each error message: 36 ms per instance instead of 0.7 (Node 20.20). Nothing here is asynchronous, so any answer will do.
const promising = WebAssembly as { promising?: (run: unknown) => unknown };
promising.promising ??= (run) => run;

type Instantiate = (core: (path: string) => WebAssembly.Module, imports: object) => Exports;

const { instantiate } = (await import(setup.entry)) as { instantiate: Instantiate };
const imports = { ...capabilities, ...http, ...io, ...clocks };

let instance: Exports | undefined;

function instantiated(): Exports {
  return instantiate((path) => {
    const core = setup.cores[path];
    if (core === undefined) throw new Error(`the transpiled component lacks ${path}`);
    return core;
  }, imports);
}

/** Runs something of the component's. It throws the payloads of `result`s as they are; an `Error` is a trap. */
function attempt(run: () => unknown, failed: (payload: unknown) => Answer): Answer {
  try {
    return { ok: run() };
  } catch (error) {
    return error instanceof Error ? { trap: error.message } : failed(error);
  }
}

function begin(message: Extract<ToGuest, { type: 'begin' }>): Answer {
  Object.assign(activity, { useProxy: false, keepAlive: undefined, reason: undefined });
  activity.hasProxy = message.hasProxy;
  activity.requestBody = message.requestBody;
  const answer = attempt(
    () => {
      instance = instantiated();
      instance.connection.configure(message.settings);
    },
    (payload) => ({ errors: (payload as Parameters<typeof failure>[0][]).map(failure) }),
  );
  // Not before: an instance that takes its settings has nothing to send.
  if ('ok' in answer) tellNetwork({ type: 'begin', connection: message.connection });
  return answer;
}

function call(name: FunctionName, args: unknown[]): Answer {
  const current = instance;
  if (current === undefined) return { trap: 'no activity has begun' };
  activity.reason = undefined;
  tellNetwork({ type: 'running', running: true });
  const run = functions[name] as (exports: Exports['connection'], ...args: unknown[]) => unknown;
  const answer = attempt(
    () => run(current.connection, ...args),
    (payload) => ({
      error: failure(payload as Parameters<typeof failure>[0]),
      ...(activity.reason !== undefined && { reason: activity.reason }),
    }),
  );
  tellNetwork({ type: 'running', running: false });
  const wrong = 'ok' in answer ? wrongWith(name, args, answer.ok) : undefined;
  return wrong === undefined ? answer : { trap: wrong };
}

/** Buffers that need not be copied: a page's records are a copy already. */
function owned(answer: Answer): ArrayBuffer[] {
  const records = 'ok' in answer ? (answer.ok as { records?: unknown } | undefined)?.records : undefined;
  return records instanceof Uint8Array && records.byteLength === records.buffer.byteLength
    ? [records.buffer as ArrayBuffer]
    : [];
}

function end(): void {
  instance = undefined;
  forgetAll();
  tellNetwork({ type: 'end' });
}

caller.on('message', (message: ToGuest) => {
  switch (message.type) {
    case 'describe':
    case 'begin':
    case 'call': {
      const answer =
        message.type === 'call'
          ? call(message.name as FunctionName, message.args)
          : message.type === 'begin'
            ? begin(message)
            : attempt(
                () => instantiated().metadata.describe(),
                () => ({ trap: 'describe failed' }),
              );
      tellCaller({ type: 'answer', id: message.id, answer }, owned(answer));
      break;
    }
    case 'end':
      end();
      break;
    case 'variable':
      // An answer to a call that has ended.
      break;
  }
});
