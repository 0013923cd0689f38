// What an answer must be like before a caller sees it. Records are counted, not parsed.

import type { Outcome, Page, QueryRequest } from '../types.js';
import type { FunctionName, WriteRequest } from './convert.js';

const LINE_FEED = 10;

/** Lines of NDJSON that hold something. */
function lines(ndjson: Uint8Array): number {
  let lines = 0;
  for (let start = 0; start < ndjson.length; ) {
    const found = ndjson.indexOf(LINE_FEED, start);
    const end = found === -1 ? ndjson.length : found;
    if (ndjson.subarray(start, end).some((byte) => byte > 32)) lines++;
    start = end + 1;
  }
  return lines;
}

/** What is wrong with an answer, if anything. */
export function wrongWith(name: FunctionName, args: unknown[], answer: unknown): string | undefined {
  switch (name) {
    case 'query': {
      const [request, page] = [args[0] as QueryRequest, answer as Page];
      const found = lines(page.records);
      if (found !== page.count) return `it answered a page of ${found} lines and called them ${page.count}`;
      // Nobody would ever come to an end.
      if (page.next !== undefined && page.next === request.cursor) return 'it answered a cursor that leads back to where it was';
      return undefined;
    }
    case 'create':
    case 'update':
    case 'delete':
    case 'resolve': {
      const request = (name === 'resolve' ? args[1] : args[0]) as WriteRequest;
      const [records, outcomes] = [lines(request.records), (answer as Outcome[]).length];
      // Outcomes belong to records by their place, and no place can be trusted now.
      return records === outcomes ? undefined : `it answered ${outcomes} outcomes for ${records} records`;
    }
    default:
      return undefined;
  }
}
