// The caller's end of the network's thread. It starts with the first connection and ends with the last.

import { MessageChannel, Worker } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { FromNetwork, NetworkSetup, ToNetwork } from './messages.js';

let worker: Worker | undefined;
let connections = 0;
/** Guests' threads that it serves, by what tells them that it has failed. */
let served = new Set<() => void>();
const opening = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
let ids = 0;

function tell(message: ToNetwork, transfer: MessagePort[] = []): void {
  worker?.postMessage(message, transfer);
}

/** The network's thread is gone, and with it what guests' threads can use. */
function forget(): void {
  worker = undefined;
  const lost = served;
  served = new Set();
  for (const tell of lost) tell();
}

function start(): Worker {
  // No environment: nothing there is for connectors, and proxies are the operator's to name.
  const started = new Worker(new URL('./network/thread.js', import.meta.url), { env: {}, execArgv: [] });
  started.on('message', (message: FromNetwork) => {
    opening.get(message.connection)?.resolve();
    opening.delete(message.connection);
  });
  started.on('error', (error: Error) => {
    for (const { reject } of opening.values()) reject(error);
    opening.clear();
    if (worker === started) forget();
  });
  started.unref();
  return started;
}

/** Makes a connection known to the network's thread. Returns its number. */
export async function open(setup: NetworkSetup): Promise<number> {
  worker ??= start();
  connections++;
  const connection = ++ids;
  try {
    await new Promise<void>((resolve, reject) => {
      opening.set(connection, { resolve, reject });
      // Somebody waits for it, so the process must not end.
      worker?.ref();
      tell({ type: 'open', connection, setup });
    });
  } catch (error) {
    connections--;
    throw error;
  } finally {
    if (opening.size === 0) worker?.unref();
  }
  return connection;
}

/** Closes a connection's sockets. */
export async function close(connection: number): Promise<void> {
  tell({ type: 'close', connection });
  if (--connections > 0) return;
  const ending = worker;
  forget();
  await ending?.terminate();
}

/** A line for a guest's thread, until `lost` is called; one that leads nowhere while no connection is open. */
export function line(bell: Int32Array, lost: () => void): MessagePort {
  const { port1, port2 } = new MessageChannel();
  if (worker !== undefined) {
    tell({ type: 'guest', port: port1, bell }, [port1]);
    served.add(lost);
  }
  return port2;
}

/** The guest's thread has ended. */
export function hangUp(lost: () => void): void {
  served.delete(lost);
}
