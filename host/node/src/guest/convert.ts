// Between the values of transpiled components (variants with tags, flags as objects, 64-bit numbers as `bigint`) and those that
// callers see.

import type {
  ActivityName,
  ActivitySchema,
  Comparison,
  Consistency,
  Failure,
  Field,
  Identity,
  Info,
  ObjectInfo,
  ObjectSchema,
  Outcome,
  Page,
  Plan,
  QueryRequest,
  Retry,
  WriteOptions,
} from '../types.js';

type Flags<T extends string> = Partial<Record<string, boolean>> & { readonly _?: T };

interface RawFailure extends Omit<Failure, 'retry'> {
  retry: { tag: 'never' | 'outcome-unknown' } | { tag: 'after'; val: bigint };
}
interface RawField extends Omit<Field, 'comparisons' | 'pushedDown'> {
  comparisons: Flags<Comparison>;
  pushedDown: Flags<Comparison>;
}
interface RawObjectInfo extends Omit<ObjectInfo, 'activities'> {
  activities: Flags<ActivityName>;
}
interface RawObjectSchema extends Omit<ObjectSchema, 'fields'> {
  fields: RawField[];
}
interface RawPage extends Omit<Page, 'total'> {
  total?: bigint;
}
interface RawPlan {
  requests?: bigint;
  consistency: Consistency;
  steps: string[];
}
type RawOutcome =
  | { tag: 'applied'; val: string }
  | { tag: 'failed' | 'unknown'; val: RawFailure }
  | { tag: 'skipped' };

/** The component's exports. */
export interface Exports {
  metadata: { describe(): Info };
  connection: {
    configure(settings: string): void;
    test(): Identity;
    listObjects(): RawObjectInfo[];
    describeObject(name: string): RawObjectSchema;
    query(request: unknown): RawPage;
    explain(request: unknown): RawPlan;
    create(request: unknown): RawOutcome[];
    update(request: unknown): RawOutcome[];
    delete(request: unknown): RawOutcome[];
    resolve(writtenBy: string, request: unknown): RawOutcome[];
  };
}

/** Without what is absent. */
function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}

/** The names of the flags that are set, as the contract writes them. */
function names<T extends string>(flags: Flags<T>): T[] {
  const set = Object.entries(flags).filter(([, is]) => is === true);
  return set.map(([name]) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as T);
}

export function failure(raw: RawFailure): Failure {
  const retry: Retry = raw.retry.tag === 'after' ? { after: Number(raw.retry.val) } : raw.retry.tag;
  const { kind, message, status, code, pointer } = raw;
  return present({ kind, retry, message, status, code, pointer }) as Failure;
}

function outcome(raw: RawOutcome): Outcome {
  switch (raw.tag) {
    case 'applied':
      return { outcome: 'applied', record: raw.val };
    case 'skipped':
      return { outcome: 'skipped' };
    default:
      return { outcome: raw.tag, error: failure(raw.val) };
  }
}

function objectInfo({ name, title, parent, activities }: RawObjectInfo): ObjectInfo {
  return present({ name, title, parent, activities: names(activities) }) as ObjectInfo;
}

function objectSchema(raw: RawObjectSchema): ObjectSchema {
  const fields = raw.fields.map((field) => ({
    name: field.name,
    comparisons: names(field.comparisons),
    pushedDown: names(field.pushedDown),
    sortable: field.sortable,
  }));
  const schemas: Partial<Record<ActivityName, ActivitySchema | undefined>> = {
    query: raw.query,
    create: raw.create,
    update: raw.update,
    delete: raw.delete,
  };
  const { key, includes, consistency, incremental } = raw;
  return { key, fields, includes, consistency, incremental, ...(present(schemas) as Pick<ObjectSchema, ActivityName>) };
}

function page({ records, count, next, total, state }: RawPage): Page {
  return present({ records, count, next, total: total === undefined ? undefined : Number(total), state }) as Page;
}

function plan({ requests, consistency, steps }: RawPlan): Plan {
  return present({ requests: requests === undefined ? undefined : Number(requests), consistency, steps }) as Plan;
}

function queryRequest(request: QueryRequest): unknown {
  return {
    object: request.object,
    fields: request.fields ?? [],
    filter: request.filter ?? [],
    orderBy: request.orderBy ?? [],
    include: request.include ?? [],
    pageSize: request.pageSize,
    maxRecords: request.maxRecords === undefined ? undefined : BigInt(request.maxRecords),
    since: request.since,
    cursor: request.cursor,
  };
}

/** A write as it crosses the threads. */
export interface WriteRequest extends WriteOptions {
  object: string;
  records: Uint8Array;
}

function writeRequest(request: WriteRequest): unknown {
  return {
    object: request.object,
    records: request.records,
    mode: request.mode ?? 'strict',
    matchOn: request.matchOn ?? [],
    continueOnError: request.continueOnError ?? false,
    validateOnly: request.validateOnly ?? false,
  };
}

/** Every function of `connection`, from and to what callers see. */
export const functions = {
  test: ({ test }: Exports['connection']) => test(),
  listObjects: ({ listObjects }: Exports['connection']) => listObjects().map(objectInfo),
  describeObject: ({ describeObject }: Exports['connection'], name: string) => objectSchema(describeObject(name)),
  query: ({ query }: Exports['connection'], request: QueryRequest) => page(query(queryRequest(request))),
  explain: ({ explain }: Exports['connection'], request: QueryRequest) => plan(explain(queryRequest(request))),
  create: ({ create }: Exports['connection'], request: WriteRequest) => create(writeRequest(request)).map(outcome),
  update: ({ update }: Exports['connection'], request: WriteRequest) => update(writeRequest(request)).map(outcome),
  delete: (exports: Exports['connection'], request: WriteRequest) => exports.delete(writeRequest(request)).map(outcome),
  resolve: ({ resolve }: Exports['connection'], writtenBy: string, request: WriteRequest) =>
    resolve(writtenBy, writeRequest(request)).map(outcome),
} as const;

/** What each of them answers. */
export type FunctionName = keyof typeof functions;
export type Result<N extends FunctionName> = ReturnType<(typeof functions)[N]>;
