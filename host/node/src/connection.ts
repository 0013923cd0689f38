// A connection: a connector with settings, variables, grants, sockets and limits. Each of its activities runs in an instance of its
// own, so that any number of them may run side by side.

import type { Grant, Grants } from './egress.js';
import { originOf, parseGrants } from './egress.js';
import { ConnectorError, HostError, SettingsError } from './errors.js';
import type { FunctionName, Result, WriteRequest } from './guest/convert.js';
import type { Limits } from './limits.js';
import { DEFAULT_LIMITS } from './limits.js';
import { effectOf } from './messages.js';
import * as network from './network.js';
import type { QueryOptions, RecordsAs } from './query.js';
import { Query } from './query.js';
import type { RecordsInput } from './records.js';
import { toNdjson } from './records.js';
import type { Attendant, Bounds, GuestThread } from './thread.js';
import type {
  Failure,
  Identity,
  LogLine,
  ObjectInfo,
  ObjectSchema,
  Outcome,
  Plan,
  QueryRequest,
  WriteOptions,
  WrittenBy,
} from './types.js';
import type { Variables } from './variables.js';
import { Granted, texts } from './variables.js';

/** Takes log lines. Must not throw. */
export type LogSink = (line: LogLine) => void;

/** What makes a connection. */
export interface ConnectOptions {
  /** As the connector's `settingsSchema` describes them. A text may mention variables: `[name]`, `[name{default}]`. */
  settings: Record<string, unknown>;
  /** Where variables that the settings mention come from. Default: there are none. */
  variables?: Variables;
  /** Origins that may be reached. Default: none. */
  grant?: readonly Grant[];
  /** The operator's proxy, for connections whose settings ask for it: `http://`, `https://` or `socks5://`. */
  proxy?: string;
  /** Certificate authorities that are trusted besides Node's, as PEM. */
  extraRoots?: string;
  limits?: Partial<Limits>;
  /** Takes the connector's log lines. Default: they are dropped. */
  log?: LogSink;
}

/** Ends a call in good order: the connector sends nothing more, and a write tells what became of its records so far. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** What a connection needs to know of its connector. */
export interface Kind {
  name: string;
  /** Settings that must not be shown. */
  secrets: ReadonlySet<string>;
}

/** Where threads come from. */
export interface Threads {
  take(): GuestThread;
  give(thread: GuestThread): void;
  closed(): Promise<void>;
}

/** One configured instance, for one call after the other. */
export interface Activity {
  call<N extends FunctionName>(name: N, ...args: unknown[]): Promise<Result<N>>;
  end(): void;
}

/** Answers the questions of one call, and keeps what the caller's own look-up of a variable threw. */
interface Answering extends Attendant {
  thrown?: unknown;
}

/** An open connection. */
export class Connection {
  readonly #threads: Threads;
  readonly #settings: string;
  readonly #granted: Granted;
  readonly #limits: Limits;
  readonly #log: LogSink;
  readonly #hasProxy: boolean;
  readonly #number: number;
  readonly #busy = new Set<GuestThread>();
  #closed = false;

  private constructor(threads: Threads, options: ConnectOptions, limits: Limits, granted: Granted, number: number) {
    this.#threads = threads;
    this.#settings = JSON.stringify(options.settings);
    this.#granted = granted;
    this.#limits = limits;
    this.#log = options.log ?? (() => {});
    this.#hasProxy = options.proxy !== undefined;
    this.#number = number;
  }

  /** See `Connector.connect`. */
  static async open(kind: Kind, threads: Threads, options: ConnectOptions): Promise<Connection> {
    const { settings, variables = {}, grant = [], proxy, extraRoots } = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const [grants, granted] = checked(() => {
      if (proxy !== undefined) checkProxy(proxy);
      return [parseGrants(grant), new Granted(variables, settings, kind.secrets)];
    });
    const number = await network.open({
      grants,
      sharers: [kind.name, ...Object.keys(grants).sort()].join('\n'),
      ...(proxy !== undefined && { proxy }),
      ...(extraRoots !== undefined && { extraRoots }),
      requestsInFlight: limits.requestsInFlight,
      responseBody: limits.responseBody,
    });
    const connection = new Connection(threads, options, limits, granted, number);
    try {
      await connection.#check(settings, grants);
      return connection;
    } catch (error) {
      await network.close(number);
      throw error;
    }
  }

  /** One cheap read that proves address, credentials and transport. */
  test(options?: CallOptions): Promise<Identity> {
    return this.#once('test', options);
  }

  /** Every object that can be read or written. */
  listObjects(options?: CallOptions): Promise<ObjectInfo[]> {
    return this.#once('listObjects', options);
  }

  /** Fields, schemas and abilities of one object. */
  describeObject(name: string, options?: CallOptions): Promise<ObjectSchema> {
    return this.#once('describeObject', options, name);
  }

  /** How a query would be run. Sends nothing. */
  explain(request: QueryRequest, options?: CallOptions): Promise<Plan> {
    return this.#once('explain', options, request);
  }

  /**
   * Reads records: `for await (const line of connection.query({ object: 'products' }))`. Where one page is wanted, or the place to go
   * on from, iterate over `.pages()` of what it returns.
   */
  query<A extends keyof RecordsAs = 'text'>(request: QueryRequest, options: QueryOptions<A> = {}): Query<A> {
    return new Query(() => this.#begin(options.signal), request, options.as ?? ('text' as A));
  }

  /**
   * Creates records. One outcome per record, in order. Pass moderate batches and note them before: a `HostError` with effect
   * `every-record-unknown` says that nobody knows what became of any record of the call.
   */
  create(object: string, records: RecordsInput, options?: WriteOptions & CallOptions): Promise<Outcome[]> {
    return this.#write('create', object, records, options);
  }

  /** Updates records, which hold the key and what is to change; see {@link create}. */
  update(object: string, records: RecordsInput, options?: WriteOptions & CallOptions): Promise<Outcome[]> {
    return this.#write('update', object, records, options);
  }

  /** Deletes the records whose keys are given; see {@link create}. */
  delete(object: string, records: RecordsInput, options?: WriteOptions & CallOptions): Promise<Outcome[]> {
    return this.#write('delete', object, records, options);
  }

  /** Looks up what became of records whose outcome is unknown. Changes nothing. */
  async resolve(
    writtenBy: WrittenBy,
    object: string,
    records: RecordsInput,
    options: WriteOptions & CallOptions = {},
  ): Promise<Outcome[]> {
    return this.#once('resolve', options, writtenBy, request(object, records, options));
  }

  /** Closes the connection and its sockets. Calls under way are ended at once. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([...this.#busy].map((thread) => thread.end()));
    await network.close(this.#number);
    await this.#threads.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Checks the settings: the connector's own rules, then addresses, of which it cannot know whether they are granted. */
  async #check(settings: unknown, grants: Grants): Promise<void> {
    const errors: ConnectorError[] = [];
    const activity = await this.#begin(undefined).catch((error: unknown) => {
      if (!(error instanceof SettingsError)) throw error;
      errors.push(...error.errors);
      return undefined;
    });
    activity?.end();
    for (const [pointer, text] of texts(settings)) {
      // A variable that is missing is the connector's to tell.
      const value = (await this.#granted.resolve(text))?.trim();
      if (value === undefined || !/^https?:\/\//i.test(value)) continue;
      const found = originOf(value);
      const told =
        'reason' in found
          ? `this address cannot be used: ${found.reason}`
          : grants[found.origin] === undefined
            ? `requests to ${found.origin} are not allowed: this connection is not granted that origin`
            : undefined;
      if (told === undefined) continue;
      const message = this.#granted.redactor.clean(told);
      errors.push(new ConnectorError({ kind: 'denied', retry: 'never', message, code: 'origin-not-granted', pointer }));
    }
    if (errors.length > 0) throw new SettingsError(errors);
  }

  /** A new instance that has taken the settings. */
  async #begin(signal: AbortSignal | undefined): Promise<Activity> {
    if (this.#closed) throw new HostError('closed', 'the connection is closed');
    if (signal?.aborted === true) throw cancelledBefore(signal);
    const thread = this.#threads.take();
    this.#busy.add(thread);
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      this.#busy.delete(thread);
      if (thread.usable) thread.release();
      this.#threads.give(thread);
    };
    try {
      const begin = {
        type: 'begin',
        connection: this.#number,
        settings: this.#settings,
        hasProxy: this.#hasProxy,
        requestBody: this.#limits.requestBody,
      } as const;
      const attendant = this.#attendant();
      const answer = await thread.ask(begin, attendant, this.#bounds('nothing-sent', undefined));
      if ('errors' in answer) throw new SettingsError(answer.errors.map((error) => this.#error(error, attendant)));
    } catch (error) {
      end();
      throw error;
    }
    return {
      end,
      call: async <N extends FunctionName>(name: N, ...args: unknown[]) => {
        if (over) throw new HostError('closed', 'the activity is over');
        if (signal?.aborted === true) throw cancelledBefore(signal);
        const bounds = this.#bounds(effectOf(name, args[0]), signal);
        const attendant = this.#attendant();
        const answer = await thread.ask({ type: 'call', name, args }, attendant, bounds);
        if ('error' in answer) throw this.#error(answer.error, attendant, answer.reason, signal);
        return this.#granted.redactor.answer(name, (answer as { ok: Result<N> }).ok);
      },
    };
  }

  async #once<N extends FunctionName>(
    name: N,
    options: CallOptions | undefined,
    ...args: unknown[]
  ): Promise<Result<N>> {
    const activity = await this.#begin(options?.signal);
    try {
      return await activity.call(name, ...args);
    } finally {
      activity.end();
    }
  }

  async #write(
    name: WrittenBy,
    object: string,
    records: RecordsInput,
    options: WriteOptions & CallOptions = {},
  ): Promise<Outcome[]> {
    return this.#once(name, options, request(object, records, options));
  }

  #error(failure: Failure, attendant: Answering, reason?: string, signal?: AbortSignal): ConnectorError {
    let { message } = failure;
    // What the remote answered, it answered; otherwise the host may have the better reason.
    const mayBe = failure.status === undefined && ['denied', 'unavailable', 'protocol'].includes(failure.kind);
    if (reason !== undefined && mayBe && !message.includes(reason)) message += ` (the host: ${reason})`;
    const cancelled = failure.code === 'cancelled' && signal?.aborted === true;
    const cause = cancelled ? signal.reason : attendant.thrown;
    const told = this.#granted.redactor.failure({ ...failure, message });
    return new ConnectorError(told, cause === undefined ? undefined : { cause });
  }

  #bounds(effect: Bounds['effect'], signal: AbortSignal | undefined): Bounds {
    const { callTime, cancelGrace } = this.#limits;
    return { callTime, cancelGrace, signal, effect };
  }

  /** Answers the questions of one call. */
  #attendant(): Answering {
    const { redactor } = this.#granted;
    const clean = (text: string) => redactor.clean(text);
    let lines = 0;
    const attendant: Answering = {
      clean,
      variable: (name) =>
        this.#granted.read(name, (reason) => {
          attendant.thrown = reason;
        }),
      log: ({ level, message, fields }) => {
        if (++lines > this.#limits.logLines) return;
        const cleaned = Object.entries(fields).map(([name, value]) => [clean(name), clean(value)]);
        this.#log({ level, message: clean(message), fields: Object.fromEntries(cleaned) });
      },
    };
    return attendant;
  }
}

/** What a call that was cancelled before it began fails with; the connector answers the same afterwards. */
function cancelledBefore(signal: AbortSignal): ConnectorError {
  const message = 'the call was cancelled before it began';
  return new ConnectorError({ kind: 'denied', retry: 'never', message, code: 'cancelled' }, { cause: signal.reason });
}

function request(object: string, records: RecordsInput, options: WriteOptions): WriteRequest {
  const { mode, matchOn, continueOnError, validateOnly } = options;
  return {
    object,
    records: checked(() => toNdjson(records)),
    ...(mode !== undefined && { mode }),
    ...(matchOn !== undefined && { matchOn }),
    ...(continueOnError !== undefined && { continueOnError }),
    ...(validateOnly !== undefined && { validateOnly }),
  };
}

/** What a caller passed, read; what makes no sense is told as such. */
function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new HostError('invalid-argument', (error as Error).message, 'nothing-sent', { cause: error });
  }
}

/** Throws for a text that is not the address of a proxy. Does not repeat it: it may hold a password. */
function checkProxy(text: string): void {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  if (!['http:', 'https:', 'socks5:'].includes(protocol)) {
    throw new TypeError('this is not the address of a proxy: write it as http://host:port, https://host:port or socks5://host:port');
  }
}
