// The activity that this thread serves now.

export interface Activity {
  hasProxy: boolean;
  /** Most bytes of a request's body. */
  requestBody: number;
  /** What `transport.apply` said last. */
  useProxy: boolean;
  keepAlive: number | undefined;
  /** Why the host itself last failed a request of the call: codes have no room for it. */
  reason: string | undefined;
}

export const activity: Activity = {
  hasProxy: false,
  requestBody: 0,
  useProxy: false,
  keepAlive: undefined,
  reason: undefined,
};
