/**
 * Counts requests in fixed windows, each beginning with a key's first request. For bursts and failed authentication only, never for money:
 * counts are kept in this process, may be forgotten under pressure, and a refused request counts too.
 */
export interface Throttle {
  /**
   * Counts one request. Keys with different limits never share a count.
   * @param options.calls allowed per window, at least 1 @param options.perSeconds length of the window, 1 to 86,400 seconds
   * @throws RangeError for other limits
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
