/** When an upstream is no longer called, and when it is tried again. */
export interface BreakerTerms {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Share of the last `calls` calls, above 0 and below 1, beyond which it opens too; absent = only failures in a row count. */
  readonly ratio?: number;
  /** How many calls the share is of. */
  readonly calls: number;
  /** Milliseconds until one call may try. */
  readonly openForMs: number;
}

/** What one upstream may take of this process, so that its trouble stays its own. Counts. */
export interface UpstreamLimits {
  /** Calls under way at once. Streams that only listen have bounds of their own. */
  readonly concurrencyMax: number;
  /** Calls that wait for their turn. */
  readonly queueMax: number;
  /** Connections for calls. */
  readonly connectionsMax: number;
}

/** As metrics and health show it: calls pass, one call tries, none passes. */
export type BreakerState = 'closed' | 'half-open' | 'open';

/** One upstream as this process sees it. Other replicas may see it otherwise. */
export interface UpstreamHealth {
  readonly upstream: string;
  readonly state: BreakerState;
  /** Calls and listening streams that are under way. */
  readonly inflight: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
}
