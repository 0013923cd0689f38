// `fields` of `wasi:http`: header fields, in the order in which they were added.

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What a field's value must not hold: it would end the field. */
const FORBIDDEN_BYTES = /[\0\r\n]/;
/** Fields that are the host's to set. */
const FORBIDDEN = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const error = (tag: 'invalid-syntax' | 'forbidden' | 'immutable') => ({ payload: { tag } });

export class Fields {
  #entries: [name: string, value: string][] = [];
  #frozen = false;

  static fromList(list: [string, Uint8Array][]): Fields {
    const fields = new Fields();
    for (const [name, value] of list) fields.append(name, value);
    return fields;
  }

  get(name: string): Uint8Array[] {
    const wanted = name.toLowerCase();
    return this.#entries.filter(([name]) => name === wanted).map(([, value]) => Buffer.from(value, 'latin1'));
  }

  has(name: string): boolean {
    const wanted = name.toLowerCase();
    return this.#entries.some(([name]) => name === wanted);
  }

  set(name: string, values: Uint8Array[]): void {
    const checked = values.map((value) => this.#check(name, value));
    this.delete(name);
    this.#entries.push(...checked);
  }

  delete(name: string): void {
    if (this.#frozen) throw error('immutable');
    const wanted = name.toLowerCase();
    this.#entries = this.#entries.filter(([name]) => name !== wanted);
  }

  append(name: string, value: Uint8Array): void {
    this.#entries.push(this.#check(name, value));
  }

  entries(): [string, Uint8Array][] {
    return this.#entries.map(([name, value]) => [name, Buffer.from(value, 'latin1')]);
  }

  clone(): Fields {
    return toFields(this.#entries, false);
  }

  /** As the network's thread takes them. */
  texts(): [name: string, value: string][] {
    return this.#entries;
  }

  /** What belongs to a request or an answer does not change any more. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Takes what an answer brought, unchecked. */
  fill(entries: [name: string, value: string][]): void {
    this.#entries = [...entries];
  }

  #check(name: string, value: Uint8Array): [name: string, value: string] {
    if (this.#frozen) throw error('immutable');
    const text = Buffer.from(value).toString('latin1');
    if (!NAME.test(name) || FORBIDDEN_BYTES.test(text)) throw error('invalid-syntax');
    const lower = name.toLowerCase();
    if (FORBIDDEN.has(lower)) throw error('forbidden');
    return [lower, text];
  }
}

/** The fields of an answer. */
export function toFields(entries: [name: string, value: string][], frozen = true): Fields {
  const fields = new Fields();
  fields.fill(entries);
  if (frozen) fields.freeze();
  return fields;
}
