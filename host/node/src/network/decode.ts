// Answers that come compressed. The host asks for that where the connector did not say what it can read, and then hands over what
// was compressed, with header fields that fit.

import type { Transform } from 'node:stream';
import zlib from 'node:zlib';
import { Failed } from './failure.js';

/** Most memory that a zstd stream may ask for, as a power of two: 8 MiB, which RFC 9659 lets nobody exceed over HTTP. */
const ZSTD_WINDOW = 23;

type Field = [name: string, value: string];

// Node has it since 22.15; the types are those of the oldest Node that is served.
type Zstd = { createZstdDecompress?: (options: { params: Record<number, number> }) => Transform };
type ZstdConstants = { ZSTD_d_windowLogMax?: number };
const { createZstdDecompress } = zlib as unknown as Zstd;
const windowLog = (zlib.constants as ZstdConstants).ZSTD_d_windowLogMax;

const DECODERS: Record<string, () => Transform> = {
  gzip: () => zlib.createGunzip(),
  br: () => zlib.createBrotliDecompress(),
};
if (createZstdDecompress !== undefined && windowLog !== undefined) {
  DECODERS['zstd'] = () => createZstdDecompress({ params: { [windowLog]: ZSTD_WINDOW } });
}
const ACCEPTED = Object.keys(DECODERS).join(', ');

/** Asks for compressed answers, unless the connector says itself what it wants, or wants only a part, or no body. */
export function ask(method: string, headers: Field[]): { headers: Field[]; asked: boolean } {
  const own = headers.some(([name]) => name === 'accept-encoding' || name === 'range');
  if (own || method === 'HEAD') return { headers, asked: false };
  return { headers: [...headers, ['accept-encoding', ACCEPTED]], asked: true };
}

/** How an answer is compressed that the host asked for, and its header fields without those that tell of it. */
export function takeCoding(headers: Field[]): { headers: Field[]; coding?: string; decoder?: Transform } {
  const named = headers
    .filter(([name]) => name === 'content-encoding')
    .flatMap(([, value]) => value.split(','))
    .map((name) => name.trim().toLowerCase().replace(/^x-gzip$/, 'gzip'))
    .filter((name) => name !== '' && name !== 'identity');
  if (named.length === 0) return { headers };
  const coding = named.join(', ');
  const decoder = DECODERS[coding]?.();
  if (decoder === undefined) throw new Failed({ tag: 'HTTP-response-content-coding', val: coding });
  const rest = headers.filter(([name]) => name !== 'content-encoding' && name !== 'content-length');
  return { headers: rest, coding, decoder };
}
