// The sockets of one connection: pooled by what a request asks for, connected to granted addresses only.

import { lookup as systemLookup } from 'node:dns';
import type { LookupAddress, LookupOptions } from 'node:dns';
import { isIP } from 'node:net';
import { rootCertificates } from 'node:tls';
import { Agent, buildConnector, ProxyAgent } from 'undici';
import type { Dispatcher } from 'undici';
import { hostOf, isPublic, originOf } from '../egress.js';
import type { NetworkSetup, Send } from '../messages.js';
import { Failed, PROHIBITED } from './failure.js';

/** How long an idle socket stays open within an activity that keeps none beyond its end, in milliseconds. */
const IDLE_WITHIN_ACTIVITY = 60_000;
/** What an answer needs to be late, in milliseconds: so much earlier than a server says is its idle socket given up. */
const LATE = 500;

/** Pools of sockets by what tells them apart. */
export type Pools = Map<string, Dispatcher>;

/** Closes the sockets of pools, busy ones too. */
export function destroy(pools: Pools): void {
  for (const pool of pools.values()) void pool.destroy().catch(() => {});
  pools.clear();
}

function prohibited(host: string): Error {
  const message = `every address of ${host} is private, and the grant does not allow that`;
  return Object.assign(new Error(message), { code: PROHIBITED });
}

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** Looks a name up and leaves out what is not public. What was checked is what is connected to. */
function lookupPublic(host: string, options: LookupOptions, done: LookupCallback): void {
  systemLookup(host, { ...options, all: true }, (error, found) => {
    if (error) return done(error, []);
    const allowed = found.filter(({ address }) => isPublic(address));
    const [first] = allowed;
    if (first === undefined) return done(prohibited(host), []);
    if (options.all === true) return done(null, allowed);
    done(null, first.address, first.family);
  });
}

export class Client {
  readonly #pools: Pools = new Map();
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(readonly setup: NetworkSetup) {
    this.#free = setup.requestsInFlight;
  }

  /** The proxy as it may be named: without user and password. */
  get proxy(): string | undefined {
    return this.setup.proxy === undefined ? undefined : `the proxy ${new URL(this.setup.proxy).host}`;
  }

  /** The address of a request that may be sent. */
  allowed(send: Send): URL {
    const found = originOf(send.url);
    if ('reason' in found) throw new Failed({ tag: 'HTTP-request-URI-invalid' });
    const { origin, url } = found;
    const allowPrivate = this.setup.grants[origin];
    if (allowPrivate === undefined) {
      const reason = `a request to ${origin} failed: not allowed: this connection is not granted that origin`;
      throw new Failed({ tag: 'HTTP-request-denied' }, reason);
    }
    const host = hostOf(url);
    if (!allowPrivate && isIP(host) !== 0 && !isPublic(host)) {
      throw new Failed({ tag: 'destination-IP-prohibited' }, prohibited(host).message);
    }
    return url;
  }

  /** Waits until one more request may be under way. The function that it returns gives the place back. */
  async place(): Promise<() => void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let given = false;
    return () => {
      if (given) return;
      given = true;
      // A pool learns only after the answer's end that its socket is free; a request at once would open another one.
      setImmediate(() => {
        const next = this.#waiting.shift();
        if (next === undefined) this.#free++;
        else next();
      });
    };
  }

  /** The pool for a request; `own` are those that end with the activity. */
  pool({ useProxy, keepAlive, connectTimeout }: Send, own: Pools): Dispatcher {
    const pools = keepAlive === undefined ? own : this.#pools;
    const key = `${useProxy} ${keepAlive} ${connectTimeout}`;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = this.#open(useProxy, keepAlive ?? IDLE_WITHIN_ACTIVITY, connectTimeout);
      pools.set(key, pool);
    }
    return pool;
  }

  close(): void {
    destroy(this.#pools);
  }

  #open(useProxy: boolean, idle: number, timeout: number): Dispatcher {
    const { proxy, extraRoots, requestsInFlight, grants } = this.setup;
    const trust = extraRoots === undefined ? {} : { ca: [...rootCertificates, extraRoots] };
    const shared = {
      connections: requestsInFlight,
      pipelining: 1,
      keepAliveTimeout: idle,
      // A server may ask for less, not for more.
      keepAliveMaxTimeout: idle,
      keepAliveTimeoutThreshold: LATE,
    };
    if (useProxy && proxy !== undefined) {
      return new ProxyAgent({
        ...shared,
        uri: proxy,
        proxyTls: { ...trust, timeout },
        requestTls: { ...trust, timeout },
      });
    }
    const anywhere = buildConnector({ ...trust, timeout });
    const publicOnly = buildConnector({ ...trust, timeout, lookup: lookupPublic });
    return new Agent({
      ...shared,
      connect: (options, done) => {
        const connect = grants[`${options.protocol}//${options.host}`] === true ? anywhere : publicOnly;
        connect(options, done);
      },
    });
  }
}
