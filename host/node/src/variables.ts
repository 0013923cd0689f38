// Variables: values that the embedder keeps, secrets among them. A connection sees the names that its settings mention and no
// others, so a connector cannot fish for values; and what is hidden is taken out of everything that it says to people.

import { Redactor } from './redactor.js';

/** A value. A bare text is hidden: it is taken out of messages and log lines. */
export type VariableValue = string | { value: string; hidden?: boolean };

/**
 * Where values come from: an object, which may change, or a function, which may ask a vault. Asked each time that a connector reads
 * a value, right before it uses it.
 */
export type Variables =
  | { readonly [name: string]: VariableValue | undefined }
  | ((name: string) => VariableValue | undefined | Promise<VariableValue | undefined>);

/** Why there is no value, as the contract has it. */
export type VariableError = { tag: 'invalid-name' | 'undefined' | 'provider'; val: string };

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
/** `[[`, or `[name]`, or `[name{default}]`. */
const MENTION = /\[(?:\[|([A-Za-z_][A-Za-z0-9_.-]*)(?:\]|\{([\s\S]*?)\}\]))/g;

/** Hidden values that are remembered, besides one for each name. */
const REMEMBERED = 64;

/** A key, as a JSON pointer has it. */
function escaped(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Every text in a JSON value, with its JSON pointer. */
export function* texts(value: unknown, pointer = ''): Generator<[pointer: string, text: string]> {
  if (typeof value === 'string') {
    yield [pointer, value];
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      yield* texts(child, `${pointer}/${escaped(key)}`);
    }
  }
}

/** A variable that a text mentions, and what the text wants where it has no value. */
interface Mention {
  name: string;
  fallback: string | undefined;
}

function mentions(text: string): Mention[] {
  return [...text.matchAll(MENTION)].flatMap(([, name, fallback]) => (name === undefined ? [] : { name, fallback }));
}

/** The settings that a schema calls secret (`writeOnly`), wherever in it. Throws for a text that is no JSON object. */
export function secretSettings(schema: string): ReadonlySet<string> {
  const found = new Set<string>();
  const collect = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    const { properties } = part as { properties?: unknown };
    if (typeof properties === 'object' && properties !== null) {
      for (const [name, property] of Object.entries(properties)) {
        if ((property as { writeOnly?: unknown } | null)?.writeOnly === true) found.add(name);
      }
    }
    Object.values(part).forEach(collect);
  };
  const whole: unknown = JSON.parse(schema);
  if (typeof whole !== 'object' || whole === null || Array.isArray(whole)) throw new TypeError('not a JSON object');
  collect(whole);
  return found;
}

/** What one connection may read, and what it may not show. */
export class Granted {
  /** Knows what is hidden. */
  readonly redactor: Redactor;
  readonly #source: Variables;
  readonly #names = new Set<string>();
  /** Hidden, whatever the source says of them: a secret setting mentions them. */
  readonly #secret = new Set<string>();

  constructor(source: Variables, settings: unknown, secrets: ReadonlySet<string>) {
    this.#source = source;
    const places = new Set([...secrets].map(escaped));
    const literals: string[] = [];
    for (const [pointer, text] of texts(settings)) {
      const secret = pointer.split('/').some((key) => places.has(key));
      const mentioned = mentions(text);
      for (const { name, fallback } of mentioned) {
        this.#names.add(name);
        if (secret) this.#secret.add(name);
        if (secret && fallback !== undefined) literals.push(fallback);
      }
      if (secret && mentioned.length === 0) literals.push(text.replaceAll('[[', '['));
    }
    this.redactor = new Redactor(literals, REMEMBERED + this.#names.size);
  }

  /**
   * The present value. A connector learns that there is none, and its caller, by `failed`, what the look-up threw: that is text of a
   * vault, which may hold anything.
   */
  async read(name: string, failed?: (reason: unknown) => void): Promise<{ value: string } | { error: VariableError }> {
    if (!NAME.test(name)) return { error: { tag: 'invalid-name', val: name } };
    if (!this.#names.has(name)) return { error: { tag: 'undefined', val: name } };
    let found: VariableValue | undefined;
    try {
      const source = this.#source;
      found = typeof source === 'function' ? await source(name) : Object.hasOwn(source, name) ? source[name] : undefined;
    } catch (error) {
      failed?.(error);
      return { error: { tag: 'provider', val: "the program's own look-up failed" } };
    }
    if (found === undefined) return { error: { tag: 'undefined', val: name } };
    const { value, hidden = true } = typeof found === 'string' ? { value: found } : found;
    // Not every caller's types are checked.
    if (typeof value !== 'string') return { error: { tag: 'provider', val: 'its value is no text' } };
    if (hidden || this.#secret.has(name)) this.redactor.hide(value);
    return { value };
  }

  /** The text with its variables' values, or none if one has neither value nor default. */
  async resolve(text: string): Promise<string | undefined> {
    let out = '';
    let end = 0;
    for (const match of text.matchAll(MENTION)) {
      const [whole, name, fallback] = match;
      out += text.slice(end, match.index);
      end = match.index + whole.length;
      if (name === undefined) {
        out += '[';
        continue;
      }
      const read = await this.read(name);
      const value = 'value' in read ? read.value : fallback;
      if (value === undefined) return undefined;
      out += value;
    }
    return out + text.slice(end);
  }
}
