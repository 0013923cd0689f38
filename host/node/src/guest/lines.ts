// A guest's lines to the other threads, and the only place where it sleeps. A thread serves one activity at a time, so there is one
// set of lines per thread.

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { FromGuest, GuestSetup, GuestToNetwork, NetworkToGuest, ToGuest } from '../messages.js';
import { BELL, CANCELLED } from '../messages.js';

export const setup = workerData as GuestSetup;
const bell = setup.bell;

/** The caller's thread. */
export const caller = parentPort as MessagePort;

/** Who takes what the network says about one request or permit. */
export type Listener = (message: NetworkToGuest) => void;
const listeners = new Map<number, Listener>();
const variables = new Map<number, Extract<ToGuest, { type: 'variable' }>['answer']>();
let ids = 0;

export function tellCaller(message: FromGuest, transfer: ArrayBuffer[] = []): void {
  caller.postMessage(message, transfer);
}

export function tellNetwork(message: GuestToNetwork): void {
  setup.network.postMessage(message);
}

/** A number for a request or a permit, and who hears of it. */
export function listen(listener: Listener): number {
  listeners.set(++ids, listener);
  return ids;
}

export function forget(id: number): void {
  listeners.delete(id);
}

/** The activity is over: nobody listens any more. */
export function forgetAll(): void {
  listeners.clear();
  variables.clear();
}

export function isCancelled(): boolean {
  return Atomics.load(bell, CANCELLED) !== 0;
}

/** Takes everything that has arrived. */
function drain(): void {
  for (let got; (got = receiveMessageOnPort(setup.network)) !== undefined; ) {
    const message = got.message as NetworkToGuest;
    listeners.get(message.id)?.(message);
  }
  for (let got; (got = receiveMessageOnPort(caller)) !== undefined; ) {
    const message = got.message as ToGuest;
    // While a call is under way, the caller answers questions and says nothing else.
    if (message.type === 'variable') variables.set(message.id, message.answer);
  }
}

/** Sleeps until `ready` answers something. `due` is when it may do so without anybody's ringing, in nanoseconds of `hrtime`. */
export function sleepUntil<T>(ready: () => T | undefined, due?: bigint): T {
  for (;;) {
    // Read before looking: a bell that rings meanwhile keeps the guest awake.
    const rung = Atomics.load(bell, BELL);
    drain();
    const found = ready();
    if (found !== undefined) return found;
    const left = due === undefined ? Infinity : Number(due - process.hrtime.bigint()) / 1e6;
    if (left > 0) Atomics.wait(bell, BELL, rung, left);
  }
}

/** Asks the caller's thread for a variable. */
export function readVariable(name: string): Extract<ToGuest, { type: 'variable' }>['answer'] {
  const id = ++ids;
  tellCaller({ type: 'variable', id, name });
  const answer = sleepUntil(() => variables.get(id));
  variables.delete(id);
  return answer;
}
