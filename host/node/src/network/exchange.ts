// One request and its answer. Sent once: nothing is repeated here, and a redirect is an answer like any other.

import { pipeline, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { NetworkToGuest, Send } from '../messages.js';
import type { Client, Pools } from './client.js';
import { ask, takeCoding } from './decode.js';
import { Failed, ofBody, ofConnect, ofRequest } from './failure.js';

/** Bytes of a body that are taken off the wire before the guest reads them. */
const AHEAD = 4 << 20;

type Head = { status: number; headers: [name: string, value: string][] };

function tooLarge(most: number): Failed {
  const reason = `the answer, as the connector would read it, is larger than the limit responseBody of ${most} bytes`;
  return new Failed({ tag: 'HTTP-response-body-size', val: BigInt(most) }, reason);
}

/** What undici calls while a request is under way. */
class Handler implements Dispatcher.DispatchHandler {
  /** Whether the request was handed to a socket: from then on bytes of it may have left. */
  begun = false;
  readonly body: Readable;
  readonly head: Promise<Head>;
  #controller: Dispatcher.DispatchController | undefined;
  #abandoned: Error | undefined;
  #bytes = 0;
  #answered: (head: Head) => void = () => {};
  #failed: (error: unknown) => void = () => {};
  readonly #connecting: NodeJS.Timeout;

  /** `most`: bytes of a body that may come off the wire; what is compressed may take more there than it unfolds to. */
  constructor(
    connectTimeout: number,
    readonly most: number,
  ) {
    this.body = new Readable({ read: () => this.#controller?.resume() });
    this.head = new Promise((resolve, reject) => {
      this.#answered = resolve;
      this.#failed = reject;
    });
    // The failure is told through the head; a body that nobody has asked for yet has nobody to tell.
    this.body.on('error', () => {});
    this.#connecting = setTimeout(
      () => this.abandon(new Failed({ tag: 'connection-timeout' })),
      connectTimeout,
    );
  }

  /** Gives the request up, whether it is waiting, under way, or answered in part. */
  abandon(error: Error): void {
    this.#abandoned ??= error;
    this.#controller?.abort(this.#abandoned);
    this.#end(this.#abandoned);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    clearTimeout(this.#connecting);
    if (this.#abandoned !== undefined) {
      controller.abort(this.#abandoned);
      return;
    }
    this.begun = true;
    this.#controller = controller;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    // What comes before the answer itself says nothing that anybody asked for.
    if (status < 200) return;
    const raw = (controller.rawHeaders ?? []) as (Buffer | string)[];
    const texts = raw.map((text) => (typeof text === 'string' ? text : text.toString('latin1')));
    const headers: [string, string][] = [];
    for (let i = 0; i + 1 < texts.length; i += 2) headers.push([(texts[i] ?? '').toLowerCase(), texts[i + 1] ?? '']);
    this.#answered({ status, headers });
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.most) this.abandon(tooLarge(this.most));
    else if (!this.body.push(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    this.body.push(null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end(error);
  }

  #end(error: unknown): void {
    clearTimeout(this.#connecting);
    this.#failed(error);
    this.body.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

export class Exchange {
  #handler: Handler | undefined;
  #dropped = false;
  #ahead = 0;
  #read: (() => void) | undefined;

  constructor(
    readonly send: Send,
    readonly client: Client,
    readonly own: Pools,
    readonly tell: (message: NetworkToGuest, transfer?: ArrayBuffer[]) => void,
  ) {}

  /** Nobody waits for it any more. */
  drop(): void {
    this.#dropped = true;
    this.#handler?.abandon(new Failed({ tag: 'connection-terminated' }));
    this.#read?.();
  }

  /** The guest has read so many bytes. */
  read(bytes: number): void {
    this.#ahead -= bytes;
    this.#read?.();
  }

  /** Sends the request and passes the answer on; ends when there is nothing more to tell. */
  async run(): Promise<void> {
    const { id } = this.send;
    try {
      await this.#exchange();
      if (!this.#dropped) this.tell({ type: 'end', id });
    } catch (error) {
      const { code, reason } = error instanceof Failed ? error : ofRequest(error);
      if (!this.#dropped) this.tell({ type: 'failed', id, code, ...(reason !== undefined && { reason }) });
    }
  }

  async #exchange(): Promise<void> {
    const { send, client } = this;
    const url = client.allowed(send);
    const giveBack = await client.place();
    try {
      if (!this.#dropped) await this.#answer(url);
    } finally {
      giveBack();
    }
  }

  async #answer(url: URL): Promise<void> {
    const { send, client } = this;
    const { headers, asked } = ask(send.method, send.headers);
    const handler = new Handler(send.connectTimeout, client.setup.responseBody);
    this.#handler = handler;
    let head: Head;
    try {
      client.pool(send, this.own).dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: send.method,
          headers: headers.flat(),
          body: send.body ?? null,
          headersTimeout: send.firstByteTimeout,
          bodyTimeout: send.betweenBytesTimeout,
        },
        handler,
      );
      head = await handler.head;
    } catch (error) {
      const proxy = send.useProxy ? client.proxy : undefined;
      throw handler.begun ? ofRequest(error) : ofConnect(error, proxy);
    }
    await this.#relay(handler, head, asked);
  }

  async #relay(handler: Handler, head: Head, asked: boolean): Promise<void> {
    const { id } = this.send;
    const most = this.client.setup.responseBody;
    let coding: string | undefined;
    try {
      const taken = asked ? takeCoding(head.headers) : { headers: head.headers };
      coding = taken.coding;
      const length = taken.headers.find(([name]) => name === 'content-length')?.[1];
      if (length !== undefined && this.send.method !== 'HEAD' && Number(length) > most) throw tooLarge(most);
      this.tell({ type: 'head', id, status: head.status, headers: taken.headers });
      const stream = taken.decoder === undefined ? handler.body : pipeline(handler.body, taken.decoder, () => {});
      let bytes = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        if (this.#dropped) return;
        bytes += chunk.length;
        if (bytes > most) throw tooLarge(most);
        // A copy of its own can be handed over.
        const piece = new Uint8Array(chunk);
        this.tell({ type: 'piece', id, bytes: piece }, [piece.buffer as ArrayBuffer]);
        this.#ahead += piece.length;
        while (this.#ahead > AHEAD && !this.#dropped) await new Promise<void>((resolve) => (this.#read = resolve));
      }
    } catch (error) {
      const failed = ofBody(error, coding);
      handler.abandon(failed);
      throw failed;
    }
  }
}
