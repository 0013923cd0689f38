// The caller's end of one guest's thread: makes calls, one at a time, answers the guest's questions, and ends what does not end.

import { Worker } from 'node:worker_threads';
import { HostError } from './errors.js';
import type { Effect } from './errors.js';
import type { Answer, FromGuest, GuestSetup, ToGuest } from './messages.js';
import { CANCELLED, ring, WORDS } from './messages.js';
import * as network from './network.js';
import type { Program } from './program.js';
import type { LogLine } from './types.js';
import type { VariableError } from './variables.js';

/** Who answers a guest's questions while a call is under way. */
export interface Attendant {
  variable(name: string): Promise<{ value: string } | { error: VariableError }>;
  log(line: LogLine): void;
  /** A text of the guest's without what must not be shown. */
  clean(text: string): string;
}

/** Bounds of one call, in milliseconds, and what ends it early. */
export interface Bounds {
  callTime: number;
  cancelGrace: number;
  signal?: AbortSignal | undefined;
  /** What it means for the remote if the call is ended. */
  effect: Effect;
}

type Question = Extract<ToGuest, { id: number; type: 'begin' | 'call' | 'describe' }>;
type Unnumbered<T> = T extends { id: number } ? Omit<T, 'id'> : never;

export class GuestThread {
  readonly #worker: Worker;
  readonly #bell = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT));
  #attendant: Attendant | undefined;
  #pending: { id: number; resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #ids = 0;
  /** Without the network it is of no use. */
  readonly #lost = () => void this.end();
  /** Whether it can serve another activity. */
  usable = true;

  constructor(program: Program) {
    const port = network.line(this.#bell, this.#lost);
    const workerData: GuestSetup = {
      entry: program.entry,
      cores: program.cores,
      bell: this.#bell,
      network: port,
    };
    this.#worker = new Worker(new URL('./guest/thread.js', import.meta.url), {
      workerData,
      transferList: [port],
      env: {},
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromGuest) => this.#hear(message));
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new Error('its thread ended')));
  }

  /** Asks the guest something. Ends the thread where no answer comes in time. */
  async ask(question: Unnumbered<Question>, attendant: Attendant, bounds: Bounds): Promise<Answer> {
    const { signal } = bounds;
    let why: 'cancelled' | 'deadline' | undefined;
    let hard: NodeJS.Timeout | undefined;
    const stop = (reason: 'cancelled' | 'deadline') => {
      if (why !== undefined) return;
      why = reason;
      Atomics.store(this.#bell, CANCELLED, 1);
      ring(this.#bell);
      hard = setTimeout(() => void this.#worker.terminate(), bounds.cancelGrace);
    };
    const cancel = () => stop('cancelled');
    Atomics.store(this.#bell, CANCELLED, 0);
    const deadline = setTimeout(() => stop('deadline'), bounds.callTime);
    signal?.addEventListener('abort', cancel);
    this.#attendant = attendant;
    this.#worker.ref();
    try {
      const answer = await new Promise<Answer>((resolve, reject) => {
        const id = ++this.#ids;
        this.#pending = { id, resolve, reject };
        this.#tell({ ...question, id } as Question);
      });
      if ('trap' in answer) {
        await this.end();
        throw new HostError('trap', `the connector failed: ${attendant.clean(answer.trap)}`, bounds.effect);
      }
      if (why === 'deadline' && 'error' in answer && answer.error.code === 'cancelled') {
        // Nobody but the host cancelled it. By the contract an error means that nothing was sent.
        const effect = bounds.effect === 'read' ? 'read' : 'nothing-sent';
        throw new HostError('deadline', `the call took longer than ${bounds.callTime} ms`, effect);
      }
      return answer;
    } catch (error) {
      if (error instanceof HostError) throw error;
      const message =
        why === 'deadline'
          ? `the call took longer than ${bounds.callTime} ms, and did not end when it was asked to`
          : why === 'cancelled'
            ? `the cancelled call did not end within ${bounds.cancelGrace} ms`
            : `the connector's thread failed: ${(error as Error).message}`;
      throw new HostError(why ?? 'internal', message, bounds.effect, { cause: error });
    } finally {
      clearTimeout(deadline);
      clearTimeout(hard);
      signal?.removeEventListener('abort', cancel);
      this.#pending = undefined;
      this.#attendant = undefined;
      this.#worker.unref();
    }
  }

  /** The activity is over; the thread is free for another one. */
  release(): void {
    this.#tell({ type: 'end' });
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    this.usable = false;
    network.hangUp(this.#lost);
    await this.#worker.terminate();
  }

  #tell(message: ToGuest): void {
    if (!this.usable) {
      this.#pending?.reject(new Error('its thread has ended'));
      return;
    }
    this.#worker.postMessage(message);
    ring(this.#bell);
  }

  #hear(message: FromGuest): void {
    switch (message.type) {
      case 'answer':
        if (this.#pending?.id === message.id) this.#pending.resolve(message.answer);
        break;
      case 'variable':
        void this.#attendant?.variable(message.name).then((answer) => {
          this.#tell({ type: 'variable', id: message.id, answer });
        });
        break;
      case 'log':
        this.#attendant?.log(message.line);
        break;
    }
  }

  #fail(error: Error): void {
    this.usable = false;
    network.hangUp(this.#lost);
    this.#pending?.reject(error);
  }
}
