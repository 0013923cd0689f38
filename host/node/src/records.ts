// Records on their way in and out: NDJSON in UTF-8, one JSON object per line.

/**
 * Records to write: JSON objects as text, which keep their digits, or as values; or NDJSON as it is. For a delete, objects that hold
 * the key.
 */
export type RecordsInput = Iterable<string | object> | Uint8Array;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LINE_FEED = 10;
/** Bytes that are cut into lines at once: a fraction of a millisecond. */
const SLICE = 64 << 10;

/** One record per line. */
export function toNdjson(records: RecordsInput): Uint8Array {
  // Iterated, both would come apart into what is no record.
  if (typeof records === 'string') throw new TypeError('pass records as an array of texts, or NDJSON as bytes');
  if (records instanceof Uint8Array) {
    if (records.length === 0 || records[records.length - 1] === LINE_FEED) return records;
    return Buffer.concat([records, Buffer.of(LINE_FEED)]);
  }
  let text = '';
  for (const record of records) {
    const line = typeof record === 'string' ? record : JSON.stringify(record);
    // A line break between tokens means nothing in JSON, and ends a record here.
    text += `${line.replaceAll(/[\r\n]+/g, ' ')}\n`;
  }
  return encoder.encode(text);
}

/** NDJSON in pieces of whole lines, as short as they can be beyond so many bytes. */
export function* slices(ndjson: Uint8Array, bytes: number = SLICE): Generator<Uint8Array> {
  for (let start = 0; start < ndjson.length; ) {
    const found = ndjson.indexOf(LINE_FEED, start + bytes);
    const end = found === -1 ? ndjson.length : found + 1;
    yield ndjson.subarray(start, end);
    start = end;
  }
}

/** The lines of NDJSON, without their ends. */
export function* byteLines(ndjson: Uint8Array): Generator<Uint8Array> {
  for (let start = 0; start < ndjson.length; ) {
    const found = ndjson.indexOf(LINE_FEED, start);
    const end = found === -1 ? ndjson.length : found;
    if (end > start) yield ndjson.subarray(start, end);
    start = end + 1;
  }
}

export function textLines(ndjson: Uint8Array): string[] {
  return decoder.decode(ndjson).split('\n').filter((line) => line !== '');
}
