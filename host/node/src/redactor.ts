// Hidden values, and the one place where they are taken out of what a connector says to people: errors, warnings, plans, titles, log
// lines. Names, records and schemas are data and stay as they are.

import type { FunctionName, Result } from './guest/convert.js';
import type { Failure, Outcome } from './types.js';

const STARS = '****';
/** Hidden values with fewer bytes are not looked for: they would match by accident. */
const SHORTEST = 4;
/** Bytes of one text for people; the rest is cut. */
const LONGEST = 8192;
/** They could rewrite an operator's terminal. */
const CONTROL = /\p{Cc}/gu;

/** As it may stand in a text: plain, or within JSON. */
function forms(value: string): string[] {
  return [value, JSON.stringify(value).slice(1, -1)];
}

function cut(text: string): string {
  if (Buffer.byteLength(text) <= LONGEST) return text;
  // As a stream: what begins a character and does not end it is left out.
  return new TextDecoder().decode(Buffer.from(text).subarray(0, LONGEST), { stream: true }) + '…';
}

export class Redactor {
  readonly #most: number;
  readonly #fixed: readonly string[];
  /** In the order in which they were last read. */
  readonly #read = new Set<string>();
  /** Longest first: of two that overlap, none leaves its rest behind. */
  #forms: string[] = [];

  /** `fixed` stays hidden for ever; of what is hidden later, the last `most` values do: older ones have been rotated away. */
  constructor(fixed: readonly string[], most: number) {
    this.#fixed = fixed;
    this.#most = most;
    this.#collect();
  }

  /** From now on, this value is taken out. */
  hide(value: string): void {
    const known = this.#read.delete(value);
    this.#read.add(value);
    if (known) return;
    const [oldest] = this.#read;
    if (this.#read.size > this.#most && oldest !== undefined) this.#read.delete(oldest);
    this.#collect();
  }

  #collect(): void {
    const values = [...this.#fixed, ...this.#read].filter((value) => Buffer.byteLength(value) >= SHORTEST);
    this.#forms = [...new Set(values.flatMap(forms))].sort((one, other) => other.length - one.length);
  }

  /** The text without hidden values and control characters, and not endless. */
  clean(text: string): string {
    // Hidden values first: none can be cut in two then and leave a part behind.
    return cut(this.#forms.reduce((cleaned, form) => cleaned.replaceAll(form, STARS), text)).replace(CONTROL, ' ');
  }

  /** The failure without hidden values. */
  failure(failure: Failure): Failure {
    const { message, code, pointer } = failure;
    return {
      ...failure,
      message: this.clean(message),
      ...(code !== undefined && { code: this.clean(code) }),
      ...(pointer !== undefined && { pointer: this.clean(pointer) }),
    };
  }

  /** What a function answered, without hidden values. */
  answer<N extends FunctionName>(name: N, answer: Result<N>): Result<N> {
    return ANSWERS[name](answer, this);
  }
}

function outcomes(outcomes: Outcome[], redactor: Redactor): Outcome[] {
  return outcomes.map((each) => ('error' in each ? { ...each, error: redactor.failure(each.error) } : each));
}

/** Every function is here, so that nobody adds one without asking what of its answer is for people. */
const ANSWERS: { readonly [N in FunctionName]: (answer: Result<N>, redactor: Redactor) => Result<N> } = {
  test: ({ account, warnings }, redactor) => ({
    account: redactor.clean(account),
    warnings: warnings.map((warning) => redactor.clean(warning)),
  }),
  listObjects: (objects, redactor) => objects.map((object) => ({ ...object, title: redactor.clean(object.title) })),
  describeObject: (schema) => schema,
  query: (page) => page,
  explain: (plan, redactor) => ({ ...plan, steps: plan.steps.map((step) => redactor.clean(step)) }),
  create: outcomes,
  update: outcomes,
  delete: outcomes,
  resolve: outcomes,
};
