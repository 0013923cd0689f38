// A query under way: pages from one activity, or the records in them, for `for await`.

import { setImmediate } from 'node:timers/promises';
import type { Activity } from './connection.js';
import { byteLines, slices, textLines } from './records.js';
import type { Page, QueryRequest } from './types.js';

/** How records are delivered: as JSON text, as its bytes, or parsed, which may cost numbers their digits. */
export interface RecordsAs {
  text: string;
  bytes: Uint8Array;
  object: Record<string, unknown>;
}

/** How a query is run. */
export interface QueryOptions<A extends keyof RecordsAs = 'text'> {
  /** Default: `text`. */
  as?: A;
  /** Ends the query in good order; it then fails with code `cancelled`. */
  signal?: AbortSignal;
}

const READERS: { [A in keyof RecordsAs]: (page: Uint8Array) => Iterable<RecordsAs[A]> } = {
  text: textLines,
  bytes: byteLines,
  *object(page) {
    for (const line of textLines(page)) yield JSON.parse(line) as Record<string, unknown>;
  },
};

/** A query. Begins when somebody iterates, and ends when nobody does any more; iterate over records or pages, once. */
export class Query<A extends keyof RecordsAs = 'text'> implements AsyncIterable<RecordsAs[A]> {
  readonly #begin: () => Promise<Activity>;
  readonly #request: QueryRequest;
  readonly #as: A;
  #cursor: string | undefined;
  #state: string | undefined;

  constructor(begin: () => Promise<Activity>, request: QueryRequest, as: A) {
    this.#begin = begin;
    this.#request = request;
    this.#as = as;
    this.#cursor = request.cursor;
  }

  /** Where the next page begins: pass it as `cursor` to go on later or elsewhere. None after the last page. */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /** The watermark that came last: pass it as `since` once its records are safe. */
  get state(): string | undefined {
    return this.#state;
  }

  /** Page by page. */
  async *pages(): AsyncGenerator<Page, void, undefined> {
    const activity = await this.#begin();
    try {
      for (let cursor = this.#request.cursor; ; ) {
        const page = await activity.call('query', {
          ...this.#request,
          ...(cursor !== undefined && { cursor }),
        });
        cursor = page.next;
        this.#cursor = cursor;
        if (page.state !== undefined) this.#state = page.state;
        yield page;
        if (cursor === undefined) return;
      }
    } finally {
      activity.end();
    }
  }

  /** Record by record. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RecordsAs[A], void, undefined> {
    for await (const page of this.pages()) {
      // Cutting a whole page into lines takes milliseconds; the caller's event loop gets its turn in between.
      for (const slice of slices(page.records)) {
        yield* READERS[this.#as](slice);
        await setImmediate();
      }
    }
  }
}
