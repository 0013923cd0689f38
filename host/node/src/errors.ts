// Errors that callers see. A connector's own answers (`ConnectorError`, `SettingsError`) and what the host has to say (`HostError`)
// never share a type.

import type { ErrorKind, Failure, Retry } from './types.js';

/**
 * The connector's answer that a call failed. Its `cause` is the caller's own: what the signal was aborted with, or what the look-up of
 * a variable threw during the call, of which the connector learns nothing.
 */
export class ConnectorError extends Error implements Failure {
  override readonly name = 'ConnectorError';
  readonly kind: ErrorKind;
  readonly retry: Retry;
  readonly status?: number;
  readonly code?: string;
  readonly pointer?: string;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.kind = failure.kind;
    this.retry = failure.retry;
    if (failure.status !== undefined) this.status = failure.status;
    if (failure.code !== undefined) this.code = failure.code;
    if (failure.pointer !== undefined) this.pointer = failure.pointer;
  }

  /** The failure as plain data, as it stands in an outcome. */
  toJSON(): Failure {
    const { kind, retry, message, status, code, pointer } = this;
    return {
      kind,
      retry,
      message,
      ...(status !== undefined && { status }),
      ...(code !== undefined && { code }),
      ...(pointer !== undefined && { pointer }),
    };
  }
}

/** Everything that is wrong with a connection's settings, at once. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  constructor(readonly errors: ConnectorError[]) {
    super(errors.map((error) => (error.pointer ? `${error.pointer}: ${error.message}` : error.message)).join('\n'));
  }
}

/** Why the host ended a call, or did not begin it. */
export type HostErrorCode =
  /** The file is no connector of a contract that this host knows, or needs something that it does not offer. */
  | 'incompatible'
  /** What the caller passed makes no sense. */
  | 'invalid-argument'
  /** The connector trapped, or gave an answer that makes no sense: a bug in it. */
  | 'trap'
  /** The call took longer than `limits.callTime`. */
  | 'deadline'
  /** A cancelled call did not end within `limits.cancelGrace`. */
  | 'cancelled'
  /** The connection is closed. */
  | 'closed'
  /** A bug in the host. */
  | 'internal';

/** What it means for the remote that a call ended so. */
export type Effect = 'nothing-sent' | 'read' | 'every-record-unknown';

/** A call without an answer of the connector. */
export class HostError extends Error {
  override readonly name = 'HostError';

  constructor(
    readonly code: HostErrorCode,
    message: string,
    readonly effect: Effect = 'nothing-sent',
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
