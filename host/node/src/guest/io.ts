// `wasi:io` and `wasi:clocks/monotonic-clock` for a thread that may block.

import type { ErrorCode } from '../messages.js';
import { sleepUntil } from './lines.js';

/** Largest write that a stream takes at once, in bytes. */
const WRITE = 1 << 20;

/** Something to wait for: a state that messages change, or a time in nanoseconds of `hrtime`. */
export class Pollable {
  readonly isReady: () => boolean;
  readonly due: bigint | undefined;

  constructor(isReady: (() => boolean) | undefined, due?: bigint) {
    this.isReady = isReady ?? (() => process.hrtime.bigint() >= (due ?? 0n));
    this.due = due;
  }

  ready(): boolean {
    return poll([this], true).length > 0;
  }

  block(): void {
    poll([this]);
  }
}

/** The indexes of those that are ready; waits for the first, unless it only looks. */
export function poll(list: Pollable[], looks = false): Uint32Array {
  if (list.length === 0) throw new Error('a list of pollables must not be empty');
  let due: bigint | undefined;
  for (const pollable of list) {
    if (pollable.due !== undefined && (due === undefined || pollable.due < due)) due = pollable.due;
  }
  return sleepUntil(() => {
    const ready = list.flatMap((pollable, index) => (pollable.isReady() ? [index] : []));
    return ready.length > 0 || looks ? Uint32Array.from(ready) : undefined;
  }, due);
}

/** `wasi:io/error`, with the code that `http-error-code` finds in it. */
export class IoError {
  constructor(readonly code: ErrorCode) {}

  toDebugString(): string {
    return this.code.tag;
  }
}

const closed = { payload: { tag: 'closed' } };
const failed = (code: ErrorCode) => ({ payload: { tag: 'last-operation-failed', val: new IoError(code) } });

/** Where an input stream's bytes come from. */
export interface Source {
  /** Bytes that have arrived, at most so many; `end` after the last. */
  take(most: number): Uint8Array | 'end' | ErrorCode;
  hasNews(): boolean;
}

/** `input-stream`. */
export class InputStream {
  constructor(readonly source: Source) {}

  read(length: bigint): Uint8Array {
    const taken = this.source.take(Number(length));
    if (taken === 'end') throw closed;
    if (!(taken instanceof Uint8Array)) throw failed(taken);
    return taken;
  }

  blockingRead(length: bigint): Uint8Array {
    this.subscribe().block();
    return this.read(length);
  }

  skip(length: bigint): bigint {
    return BigInt(this.read(length).length);
  }

  blockingSkip(length: bigint): bigint {
    return BigInt(this.blockingRead(length).length);
  }

  subscribe(): Pollable {
    return new Pollable(() => this.source.hasNews());
  }
}

/** Where an output stream's bytes go. */
export interface Sink {
  /** Takes bytes, or says why it takes no more. */
  put(bytes: Uint8Array): ErrorCode | 'closed' | undefined;
  isOpen(): ErrorCode | 'closed' | undefined;
}

/** `output-stream`: into memory, so it never makes anybody wait. */
export class OutputStream {
  constructor(readonly sink: Sink) {}

  checkWrite(): bigint {
    this.#check(this.sink.isOpen());
    return BigInt(WRITE);
  }

  write(contents: Uint8Array): void {
    this.#check(this.sink.put(contents));
  }

  blockingWriteAndFlush(contents: Uint8Array): void {
    this.write(contents);
  }

  flush(): void {
    this.#check(this.sink.isOpen());
  }

  blockingFlush(): void {
    this.flush();
  }

  subscribe(): Pollable {
    return new Pollable(() => true);
  }

  writeZeroes(length: bigint): void {
    this.write(new Uint8Array(Number(length)));
  }

  blockingWriteZeroesAndFlush(length: bigint): void {
    this.writeZeroes(length);
  }

  splice(source: InputStream, length: bigint): bigint {
    const bytes = source.read(length < BigInt(WRITE) ? length : BigInt(WRITE));
    this.write(bytes);
    return BigInt(bytes.length);
  }

  blockingSplice(source: InputStream, length: bigint): bigint {
    source.subscribe().block();
    return this.splice(source, length);
  }

  #check(state: ErrorCode | 'closed' | undefined): void {
    if (state === 'closed') throw closed;
    if (state !== undefined) throw failed(state);
  }
}

/** `wasi:io/*`. */
export const io = {
  'wasi:io/error': { Error: IoError },
  'wasi:io/poll': { Pollable, poll: (list: Pollable[]) => poll(list) },
  'wasi:io/streams': { InputStream, OutputStream },
};

/** `wasi:clocks/monotonic-clock`. */
export const clocks = {
  'wasi:clocks/monotonic-clock': {
    now: () => process.hrtime.bigint(),
    resolution: () => 1n,
    subscribeInstant: (when: bigint) => new Pollable(undefined, when),
    subscribeDuration: (duration: bigint) => new Pollable(undefined, process.hrtime.bigint() + duration),
  },
};
