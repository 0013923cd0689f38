// `wasi:http` for a guest: requests are handed to the network's thread, answers come back piece by piece.

import type { ErrorCode, NetworkToGuest } from '../messages.js';
import type { Sink, Source } from './io.js';
import { InputStream, IoError, OutputStream, Pollable } from './io.js';
import { forget, listen, tellNetwork } from './lines.js';
import { Fields, toFields } from './fields.js';
import { activity } from './activity.js';

/** Timeouts of a request that asks for none, in milliseconds. */
const CONNECT = 10_000;
const FIRST_BYTE = 60_000;
const BETWEEN_BYTES = 30_000;
/** Longest timeout, in milliseconds, whatever a request asks for. */
const LONGEST = 600_000;

const METHODS = new Set(['get', 'head', 'post', 'put', 'delete', 'connect', 'options', 'trace', 'patch']);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const refused = { payload: undefined };

type Method = { tag: string; val?: string };
type Scheme = { tag: 'HTTP' | 'HTTPS' } | { tag: 'other'; val: string };

/** `request-options`; times in nanoseconds. */
export class RequestOptions {
  connect: bigint | undefined;
  firstByte: bigint | undefined;
  betweenBytes: bigint | undefined;

  connectTimeout(): bigint | undefined {
    return this.connect;
  }
  setConnectTimeout(duration: bigint | undefined): void {
    this.connect = duration;
  }
  firstByteTimeout(): bigint | undefined {
    return this.firstByte;
  }
  setFirstByteTimeout(duration: bigint | undefined): void {
    this.firstByte = duration;
  }
  betweenBytesTimeout(): bigint | undefined {
    return this.betweenBytes;
  }
  setBetweenBytesTimeout(duration: bigint | undefined): void {
    this.betweenBytes = duration;
  }
}

/** What a request asks for, in milliseconds and within reason. */
function timeout(asked: bigint | undefined, otherwise: number): number {
  if (asked === undefined || asked === 0n) return otherwise;
  return Math.min(LONGEST, Math.max(1, Number(asked / 1_000_000n)));
}

/** A body as the guest writes it, whole in memory before its first byte leaves. */
class Body implements Sink {
  readonly pieces: Uint8Array[] = [];
  bytes = 0;
  state: 'open' | 'finished' | 'dropped' | ErrorCode = 'open';
  whenDone: (() => void) | undefined;

  put(bytes: Uint8Array): ErrorCode | 'closed' | undefined {
    if (this.state === 'open') {
      this.bytes += bytes.length;
      if (this.bytes > activity.requestBody) {
        this.end({ tag: 'HTTP-request-body-size', val: BigInt(activity.requestBody) });
      } else {
        this.pieces.push(bytes.slice());
      }
    }
    return this.isOpen();
  }

  isOpen(): ErrorCode | 'closed' | undefined {
    if (this.state === 'open') return undefined;
    return typeof this.state === 'string' ? 'closed' : this.state;
  }

  end(state: 'finished' | 'dropped' | ErrorCode): void {
    if (this.state !== 'open') return;
    this.state = state;
    this.whenDone?.();
  }
}

/** `outgoing-body`. */
export class OutgoingBody {
  #written = false;

  constructor(readonly content: Body) {}

  write(): OutputStream {
    if (this.#written) throw refused;
    this.#written = true;
    return new OutputStream(this.content);
  }

  static finish(body: OutgoingBody, trailers: Fields | undefined): void {
    if (trailers !== undefined) {
      body.content.end('dropped');
      throw { payload: { tag: 'internal-error', val: 'this host sends no trailers' } satisfies ErrorCode };
    }
    const { state } = body.content;
    if (typeof state !== 'string') throw { payload: state };
    body.content.end('finished');
  }

  [Symbol.dispose](): void {
    this.content.end('dropped');
  }
}

/** `outgoing-request`. */
export class OutgoingRequest {
  content: Body | undefined;
  #method: Method = { tag: 'get' };
  #path: string | undefined;
  #scheme: Scheme | undefined;
  #authority: string | undefined;

  constructor(readonly fields: Fields) {
    fields.freeze();
  }

  body(): OutgoingBody {
    if (this.content !== undefined) throw refused;
    this.content = new Body();
    return new OutgoingBody(this.content);
  }
  method(): Method {
    return this.#method;
  }
  setMethod(method: Method): void {
    if (method.tag === 'other' ? !TOKEN.test(method.val ?? '') : !METHODS.has(method.tag)) throw refused;
    this.#method = method;
  }
  pathWithQuery(): string | undefined {
    return this.#path;
  }
  setPathWithQuery(path: string | undefined): void {
    if (path !== undefined && !/^[/?*][\x21-\x7e]*$/.test(path)) throw refused;
    this.#path = path;
  }
  scheme(): Scheme | undefined {
    return this.#scheme;
  }
  setScheme(scheme: Scheme | undefined): void {
    this.#scheme = scheme;
  }
  authority(): string | undefined {
    return this.#authority;
  }
  setAuthority(authority: string | undefined): void {
    if (authority !== undefined && !/^[\x21-\x7e]+$/.test(authority)) throw refused;
    this.#authority = authority;
  }
  headers(): Fields {
    return this.fields;
  }

  /** The method in upper case, and the address. */
  target(): { method: string; url: string } {
    const scheme = this.#scheme?.tag === 'other' ? this.#scheme.val : (this.#scheme?.tag ?? 'HTTPS').toLowerCase();
    const method = this.#method.tag === 'other' ? (this.#method.val ?? '') : this.#method.tag.toUpperCase();
    return { method, url: `${scheme}://${this.#authority ?? ''}${this.#path ?? '/'}` };
  }
}

/** A request under way, as the guest sees it. */
class Exchange implements Source {
  readonly id = listen((message) => this.#hear(message));
  head: { status: number; fields: Fields } | undefined;
  failure: ErrorCode | undefined;
  #pieces: Uint8Array[] = [];
  #ended = false;

  #hear(message: NetworkToGuest): void {
    switch (message.type) {
      case 'head':
        this.head = { status: message.status, fields: toFields(message.headers) };
        break;
      case 'piece':
        this.#pieces.push(message.bytes);
        break;
      case 'end':
        this.#ended = true;
        forget(this.id);
        break;
      case 'failed':
        this.fail(message.code);
        if (message.reason !== undefined) activity.reason = message.reason;
        break;
      case 'granted':
        break;
    }
  }

  fail(code: ErrorCode): void {
    this.failure = code;
    forget(this.id);
  }

  isAnswered(): boolean {
    return this.head !== undefined || this.failure !== undefined;
  }

  hasNews(): boolean {
    return this.#pieces.length > 0 || this.#ended || this.failure !== undefined;
  }

  take(most: number): Uint8Array | 'end' | ErrorCode {
    const first = this.#pieces[0];
    if (first === undefined) return this.failure ?? (this.#ended ? 'end' : new Uint8Array());
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (let piece; bytes < most && (piece = this.#pieces.shift()) !== undefined; ) {
      const fits = piece.subarray(0, most - bytes);
      if (fits.length < piece.length) this.#pieces.unshift(piece.subarray(fits.length));
      taken.push(fits);
      bytes += fits.length;
    }
    tellNetwork({ type: 'read', id: this.id, bytes });
    return taken.length === 1 ? first.subarray(0, bytes) : Buffer.concat(taken, bytes);
  }

  /** Nobody reads on. */
  drop(): void {
    if (this.#ended || this.failure !== undefined) return;
    this.#ended = true;
    forget(this.id);
    tellNetwork({ type: 'drop', id: this.id });
  }
}

/** `future-incoming-response`. */
export class FutureIncomingResponse {
  #taken = false;

  constructor(readonly exchange: Exchange) {}

  subscribe(): Pollable {
    return new Pollable(() => this.exchange.isAnswered());
  }

  get(): unknown {
    if (!this.exchange.isAnswered()) return undefined;
    if (this.#taken) return { tag: 'err', val: undefined };
    this.#taken = true;
    const { head, failure } = this.exchange;
    // An answer whose body has failed already is an answer all the same.
    if (head === undefined) return { tag: 'ok', val: { tag: 'err', val: failure } };
    return { tag: 'ok', val: { tag: 'ok', val: new IncomingResponse(this.exchange, head) } };
  }

  [Symbol.dispose](): void {
    if (!this.#taken) this.exchange.drop();
  }
}

/** `incoming-response`. */
export class IncomingResponse {
  #consumed = false;

  constructor(
    readonly exchange: Exchange,
    readonly head: { status: number; fields: Fields },
  ) {}

  status(): number {
    return this.head.status;
  }
  headers(): Fields {
    return this.head.fields;
  }
  consume(): IncomingBody {
    if (this.#consumed) throw refused;
    this.#consumed = true;
    return new IncomingBody(this.exchange);
  }

  [Symbol.dispose](): void {
    if (!this.#consumed) this.exchange.drop();
  }
}

/** `incoming-body`. */
export class IncomingBody {
  #taken = false;

  constructor(readonly exchange: Exchange) {}

  stream(): InputStream {
    if (this.#taken) throw refused;
    this.#taken = true;
    return new InputStream(this.exchange);
  }

  static finish(body: IncomingBody): FutureTrailers {
    body.exchange.drop();
    return new FutureTrailers();
  }

  [Symbol.dispose](): void {
    this.exchange.drop();
  }
}

/** `future-trailers`: there are never any. */
export class FutureTrailers {
  subscribe(): Pollable {
    return new Pollable(() => true);
  }
  get(): unknown {
    return { tag: 'ok', val: { tag: 'ok', val: undefined } };
  }
}

function handle(request: OutgoingRequest, options: RequestOptions | undefined): FutureIncomingResponse {
  const exchange = new Exchange();
  const { method, url } = request.target();
  const send = (body: Uint8Array | undefined) => {
    tellNetwork({
      type: 'send',
      id: exchange.id,
      method,
      url,
      headers: request.fields.texts(),
      body,
      connectTimeout: timeout(options?.connect, CONNECT),
      firstByteTimeout: timeout(options?.firstByte, FIRST_BYTE),
      betweenBytesTimeout: timeout(options?.betweenBytes, BETWEEN_BYTES),
      useProxy: activity.useProxy,
      keepAlive: activity.keepAlive,
    });
  };
  const { content } = request;
  if (content === undefined) {
    send(undefined);
    return new FutureIncomingResponse(exchange);
  }
  const done = () => {
    if (content.state === 'finished') send(content.bytes === 0 ? undefined : Buffer.concat(content.pieces));
    else if (content.state === 'dropped') exchange.fail({ tag: 'HTTP-protocol-error' });
    else if (typeof content.state !== 'string') exchange.fail(content.state);
  };
  if (content.state === 'open') content.whenDone = done;
  else done();
  return new FutureIncomingResponse(exchange);
}

/** `wasi:http/*`. */
export const http = {
  'wasi:http/outgoing-handler': { handle },
  'wasi:http/types': {
    Fields,
    FutureIncomingResponse,
    FutureTrailers,
    IncomingBody,
    IncomingResponse,
    OutgoingBody,
    OutgoingRequest,
    RequestOptions,
    httpErrorCode: (error: IoError) => error.code,
  },
};
