// What holds every connection, however its connector behaves.

/** Limits of one connection. Times are in milliseconds, sizes in bytes. */
export interface Limits {
  /** Wall time of one call (one page, one batch of records, one test). Default: 10 minutes. */
  callTime: number;
  /** Time that a cancelled call has to come to an orderly end; then its thread is ended. Default: 30 seconds. */
  cancelGrace: number;
  /** Requests under way at once, over all activities of the connection; more of them wait. Default: 16. */
  requestsInFlight: number;
  /** Body of one answer, as it comes and as it unfolds. Default: 64 MiB. */
  responseBody: number;
  /** Body of one request. Default: 16 MiB. */
  requestBody: number;
  /** Log lines of one call; further ones are dropped. Default: 1000. */
  logLines: number;
}

export const DEFAULT_LIMITS: Readonly<Limits> = Object.freeze({
  callTime: 600_000,
  cancelGrace: 30_000,
  requestsInFlight: 16,
  responseBody: 64 << 20,
  requestBody: 16 << 20,
  logLines: 1000,
});
