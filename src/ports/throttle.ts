/**
 * Counts requests in fixed windows, each beginning with a key's first request. For bursts and failed authentication only, never for money:
 * counts are kept in this process, or in a shared store for all replicas together; they may be forgotten under pressure, and a refused request
 * may count too.
 */
export interface Throttle {
  /**
   * Counts one request. Keys with different limits never share a count.
   * @param options.calls allowed per window, at least 1 @param options.perSeconds length of the window, 1 to 86,400 seconds
   * @throws RangeError for other limits; Error where a shared store does not answer: then nothing is allowed
   */
  take(options: { key: string; calls: number; perSeconds: number }): Promise<Take>;
}

export interface Take {
  readonly allowed: boolean;
  /** Milliseconds until the window ends; 0 where the request was allowed. */
  readonly retryAfterMs: number;
  /** Requests left in this window. */
  readonly remaining: number;
  /** Milliseconds until the window ends and all requests are free again. */
  readonly resetMs: number;
}
