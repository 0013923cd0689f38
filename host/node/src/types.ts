// What passes between a caller and a connector, as the contract (`wit/`) has it. Variants and flags have the shape that is usual in
// TypeScript; all else is the contract's, in camel case.

/** One JSON text. */
export type Json = string;

/** Whose fault a failure is. */
export type ErrorKind =
  | 'configuration'
  | 'unsupported'
  | 'invalid-request'
  | 'unauthorized'
  | 'not-found'
  | 'conflict'
  | 'rejected'
  | 'rate-limited'
  | 'unavailable'
  | 'protocol'
  | 'denied'
  | 'internal';

/**
 * What may be done after a failure: nothing until something else changes; the same call again after so many milliseconds, for the
 * remote provably did not act; or a look first, for the request may have reached it.
 */
export type Retry = 'never' | 'outcome-unknown' | { after: number };

/** A failure, as data. */
export interface Failure {
  kind: ErrorKind;
  retry: Retry;
  /** For a person: what was tried, on what, and what to do. */
  message: string;
  /** HTTP status, if the remote answered. */
  status?: number;
  /** The remote's own error code, or one of the contract. */
  code?: string;
  /** JSON pointer into the settings, the request or the record. */
  pointer?: string;
}

/** What a connector is. */
export interface Info {
  name: string;
  title: string;
  /** Version of the component. */
  version: string;
  /** JSON Schema of the settings. */
  settingsSchema: Json;
  /** Origins that it asks to reach. It gets those that it is granted. */
  origins: string[];
}

/** Who answered a test. */
export interface Identity {
  account: string;
  warnings: string[];
}

/** What can be done with an object. */
export type ActivityName = 'query' | 'create' | 'update' | 'delete';

/** One object of the remote. */
export interface ObjectInfo {
  name: string;
  title: string;
  parent?: string;
  activities: ActivityName[];
}

/** How a field may be compared in a condition. */
export type Comparison =
  | 'equal'
  | 'not-equal'
  | 'less'
  | 'less-or-equal'
  | 'greater'
  | 'greater-or-equal'
  | 'one-of'
  | 'contains';

/** One field of an object. */
export interface Field {
  name: string;
  comparisons: Comparison[];
  /** Those that the remote evaluates. */
  pushedDown: Comparison[];
  sortable: boolean;
}

/** What a complete read promises while others write. */
export type Consistency = 'stable' | 'best-effort';

/** JSON Schemas of one activity. */
export interface ActivitySchema {
  request: Json;
  response: Json;
}

/** One object in full. */
export interface ObjectSchema {
  key: string[];
  fields: Field[];
  includes: string[];
  consistency: Consistency;
  incremental: boolean;
  query?: ActivitySchema;
  create?: ActivitySchema;
  update?: ActivitySchema;
  delete?: ActivitySchema;
}

/** A condition; `value` is a JSON text, that of an array for `one-of`. */
export interface Condition {
  field: string;
  op: Comparison;
  value: Json;
}

/** What to read. What is left out is the contract's empty value. */
export interface QueryRequest {
  object: string;
  fields?: string[];
  filter?: Condition[];
  orderBy?: { field: string; descending: boolean }[];
  include?: string[];
  /** Records per page; a hint. */
  pageSize?: number;
  /** Records in all. */
  maxRecords?: number;
  /** `state` of an earlier read: only what changed since. Empty for the first of several reads. */
  since?: string;
  /** `next` of the page before. */
  cursor?: string;
}

/** One page. */
export interface Page {
  /** NDJSON in UTF-8. */
  records: Uint8Array;
  /** Lines in `records`. */
  count: number;
  /** Where to go on, in any instance. None after the last page. */
  next?: string;
  total?: number;
  /** Watermark for `since`. */
  state?: string;
}

/** How a query would go about it. */
export interface Plan {
  requests?: number;
  consistency: Consistency;
  steps: string[];
}

/** How records are written. What is left out: strict, matched on the key, ending at the first failure. */
export interface WriteOptions {
  mode?: 'strict' | 'upsert';
  /** Fields that `upsert` matches on; the key when empty. */
  matchOn?: string[];
  /** Whether to go on after a failed record. */
  continueOnError?: boolean;
  /** Check only, send nothing. */
  validateOnly?: boolean;
}

/** Which write left outcomes unknown. */
export type WrittenBy = 'create' | 'update' | 'delete';

/** What became of one record. */
export type Outcome =
  /** Done: the record as the remote now has it, as JSON text. */
  | { outcome: 'applied'; record: Json }
  /** Not done. */
  | { outcome: 'failed'; error: Failure }
  /** Perhaps done: see `Connection.resolve`. */
  | { outcome: 'unknown'; error: Failure }
  /** Not sent. */
  | { outcome: 'skipped' };

/** Importance of a log line. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

/** A line for the operator. */
export interface LogLine {
  level: LogLevel;
  message: string;
  fields: Record<string, string>;
}
