// Variables: values that the embedder keeps, secrets among them. A connection sees the names that its settings mention and no
// others, so a connector cannot fish for values; and what is hidden is taken out of everything that it says.

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

/** Hidden values that are remembered; older ones have been rotated away. */
const REMEMBERED = 64;

/** Every text in a JSON value, with its JSON pointer. */
export function* texts(value: unknown, pointer = ''): Generator<[pointer: string, text: string]> {
  if (typeof value === 'string') {
    yield [pointer, value];
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, child] of Object.entries(value)) {
      yield* texts(child, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    }
  }
}

/** The names of the variables that a text mentions. */
export function mentions(text: string): string[] {
  return [...text.matchAll(MENTION)].flatMap(([, name]) => name ?? []);
}

/** What one connection may read, and what it may not show. */
export class Granted {
  readonly #source: Variables;
  readonly #names: ReadonlySet<string>;
  readonly #hidden = new Set<string>();

  constructor(source: Variables, settings: unknown) {
    this.#source = source;
    this.#names = new Set([...texts(settings)].flatMap(([, text]) => mentions(text)));
  }

  /** The present value. */
  async read(name: string): Promise<{ value: string } | { error: VariableError }> {
    if (!NAME.test(name)) return { error: { tag: 'invalid-name', val: name } };
    if (!this.#names.has(name)) return { error: { tag: 'undefined', val: name } };
    let found: VariableValue | undefined;
    try {
      const source = this.#source;
      found = typeof source === 'function' ? await source(name) : Object.hasOwn(source, name) ? source[name] : undefined;
    } catch (error) {
      return { error: { tag: 'provider', val: error instanceof Error ? error.message : String(error) } };
    }
    if (found === undefined) return { error: { tag: 'undefined', val: name } };
    const { value, hidden = true } = typeof found === 'string' ? { value: found } : found;
    if (hidden) this.#hide(value);
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

  /** The text without hidden values. */
  clean(text: string): string {
    for (const value of this.#hidden) text = text.replaceAll(value, '****');
    return text;
  }

  #hide(value: string): void {
    if (value === '') return;
    this.#hidden.delete(value);
    this.#hidden.add(value);
    const [oldest] = this.#hidden;
    if (this.#hidden.size > REMEMBERED && oldest !== undefined) this.#hidden.delete(oldest);
  }
}
