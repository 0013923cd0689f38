// The thread that owns all sockets and quotas of the process.

import { parentPort } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import type { FromNetwork, GuestToNetwork, NetworkToGuest, ToNetwork } from '../messages.js';
import { ring } from '../messages.js';
import type { Pools } from './client.js';
import { Client, destroy } from './client.js';
import { Exchange } from './exchange.js';
import type { Permit } from './quota.js';
import { Buckets } from './quota.js';

const clients = new Map<number, Client>();
const buckets = new Buckets();

/** Where one guest's thread is served. */
class Desk {
  #client: Client | undefined;
  #running = false;
  #exchanges = new Map<number, Exchange>();
  #permits = new Map<number, Permit>();
  /** Sockets that end with the activity. */
  #own: Pools = new Map();

  constructor(
    readonly port: MessagePort,
    readonly bell: Int32Array,
  ) {
    port.on('message', (message: GuestToNetwork) => this.#hear(message));
    // The thread has ended, in good order or not.
    port.on('close', () => this.#end());
  }

  #hear(message: GuestToNetwork): void {
    switch (message.type) {
      case 'begin':
        this.#client = clients.get(message.connection);
        break;
      case 'end':
        this.#end();
        break;
      case 'running':
        this.#running = message.running;
        for (const permit of this.#permits.values()) permit.park(!message.running);
        break;
      case 'send': {
        const { id } = message;
        if (this.#client === undefined) {
          this.#tell({ type: 'failed', id, code: { tag: 'HTTP-request-denied' } });
          break;
        }
        const tell = (told: NetworkToGuest, transfer?: ArrayBuffer[]) => this.#tell(told, transfer);
        const exchange = new Exchange(message, this.#client, this.#own, tell);
        this.#exchanges.set(id, exchange);
        void exchange.run().finally(() => this.#exchanges.delete(id));
        break;
      }
      case 'read':
        this.#exchanges.get(message.id)?.read(message.bytes);
        break;
      case 'drop':
        this.#exchanges.get(message.id)?.drop();
        break;
      case 'reserve': {
        const { id, bucket, concurrency } = message;
        if (this.#client === undefined) break;
        const line = buckets.get(this.#client.setup.sharers, bucket);
        const tell = () => this.#tell({ type: 'granted', id });
        this.#permits.set(id, line.reserve(concurrency, tell, !this.#running));
        break;
      }
      case 'release':
        this.#permits.get(message.id)?.release();
        this.#permits.delete(message.id);
        break;
      case 'report':
        if (this.#client !== undefined) buckets.get(this.#client.setup.sharers, message.bucket).report(message);
        break;
    }
  }

  #tell(message: NetworkToGuest, transfer: ArrayBuffer[] = []): void {
    this.port.postMessage(message, transfer);
    ring(this.bell);
  }

  #end(): void {
    for (const exchange of this.#exchanges.values()) exchange.drop();
    for (const permit of this.#permits.values()) permit.release();
    destroy(this.#own);
    this.#exchanges = new Map();
    this.#permits = new Map();
    this.#own = new Map();
    this.#client = undefined;
    this.#running = false;
  }
}

parentPort?.on('message', (message: ToNetwork) => {
  switch (message.type) {
    case 'open': {
      clients.set(message.connection, new Client(message.setup));
      const opened: FromNetwork = { type: 'opened', connection: message.connection };
      parentPort?.postMessage(opened);
      break;
    }
    case 'close':
      clients.get(message.connection)?.close();
      clients.delete(message.connection);
      break;
    case 'guest':
      new Desk(message.port, message.bell);
      break;
  }
});
