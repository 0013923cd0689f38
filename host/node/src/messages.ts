// What threads say to each other. Three kinds of them work together: the caller's thread; one per activity, in which a component
// runs and blocks (the guest's); and one per process that owns sockets and quotas (the network's), so that neither the caller's
// event loop nor a busy connector holds up a request.
//
// A guest sleeps on its bell, a counter in shared memory, and not on its event loop: who sends to a guest rings afterwards.

import type { MessagePort } from 'node:worker_threads';
import type { Effect } from './errors.js';
import type { Grants } from './egress.js';
import type { Failure, LogLine } from './types.js';
import type { VariableError } from './variables.js';

/** Places in a guest's shared memory. */
export const BELL = 0;
export const CANCELLED = 1;
export const WORDS = 2;

/** Sends a message to a guest, and wakes it up. */
export function ring(bell: Int32Array): void {
  Atomics.add(bell, BELL, 1);
  Atomics.notify(bell, BELL);
}

/** A `wasi:http` error code, as transpiled components take it. */
export interface ErrorCode {
  tag: string;
  val?: unknown;
}

/** What a guest's thread starts with. */
export interface GuestSetup {
  /** The transpiled component's module. */
  entry: string;
  cores: Record<string, WebAssembly.Module>;
  bell: Int32Array;
  network: MessagePort;
}

/** An activity begins: a new instance takes these settings. */
export interface Begin {
  type: 'begin';
  id: number;
  connection: number;
  settings: string;
  hasProxy: boolean;
  requestBody: number;
}

/** A call of one of the component's functions. */
export interface Call {
  type: 'call';
  id: number;
  name: string;
  args: unknown[];
}

export type ToGuest =
  | Begin
  | Call
  /** What the component is; needs no activity. */
  | { type: 'describe'; id: number }
  /** The activity is over. */
  | { type: 'end' }
  | { type: 'variable'; id: number; answer: { value: string } | { error: VariableError } };

/** How a call came out. `reason`: why the host failed a request of it, where that is not the remote's doing. */
export type Answer =
  | { ok: unknown }
  | { error: Failure; reason?: string }
  | { errors: Failure[] }
  | { trap: string };

export type FromGuest =
  | { type: 'answer'; id: number; answer: Answer }
  | { type: 'variable'; id: number; name: string }
  | { type: 'log'; line: LogLine };

/** What the network's thread knows of a connection. */
export interface NetworkSetup {
  grants: Grants;
  /** Those who say the same share quotas. */
  sharers: string;
  proxy?: string;
  extraRoots?: string;
  requestsInFlight: number;
  responseBody: number;
}

export type ToNetwork =
  | { type: 'open'; connection: number; setup: NetworkSetup }
  | { type: 'close'; connection: number }
  | { type: 'guest'; port: MessagePort; bell: Int32Array };

export type FromNetwork = { type: 'opened'; connection: number };

/** A request as a guest sends it. Times in milliseconds. */
export interface Send {
  type: 'send';
  id: number;
  method: string;
  url: string;
  headers: [name: string, value: string][];
  body: Uint8Array | undefined;
  connectTimeout: number;
  firstByteTimeout: number;
  betweenBytesTimeout: number;
  useProxy: boolean;
  /** Milliseconds that idle sockets stay open; none closes them with the activity. */
  keepAlive: number | undefined;
}

export type GuestToNetwork =
  | { type: 'begin'; connection: number }
  | { type: 'end' }
  /** Whether a call is under way: permits of an instance between two calls keep nobody waiting. */
  | { type: 'running'; running: boolean }
  | Send
  /** So many bytes of the answer's body were read. */
  | { type: 'read'; id: number; bytes: number }
  /** The request is given up, or its answer not read to the end. */
  | { type: 'drop'; id: number }
  | { type: 'reserve'; id: number; bucket: string; concurrency: number | undefined }
  | { type: 'release'; id: number }
  | { type: 'report'; bucket: string; limit: number | undefined; left: number | undefined; resetMs: number | undefined };

export type NetworkToGuest =
  | { type: 'head'; id: number; status: number; headers: [name: string, value: string][] }
  | { type: 'piece'; id: number; bytes: Uint8Array }
  | { type: 'end'; id: number }
  /** `reason`: what the code has no room for, where it is the host's doing. */
  | { type: 'failed'; id: number; code: ErrorCode; reason?: string }
  | { type: 'granted'; id: number };

/** What it means for the remote if a call is ended from outside. */
export function effectOf(name: string, request: unknown): Effect {
  if (name !== 'create' && name !== 'update' && name !== 'delete') return 'read';
  const only = (request as { validateOnly?: boolean } | undefined)?.validateOnly;
  return only === true ? 'nothing-sent' : 'every-record-unknown';
}
