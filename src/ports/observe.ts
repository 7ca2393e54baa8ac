import type { Reason } from '../domain/denial.ts';

/** Operational log: never the audit trail. Facts are redacted by the adapter; no secret may be passed all the same (I5). */
export interface Log {
  note(message: string, facts?: Readonly<Record<string, unknown>>): void;
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void;
  /** A fault: something that should not have happened. Loud. */
  fault(message: string, error: unknown, facts?: Readonly<Record<string, unknown>>): void;
}

/** Counts for operators. Labels are bounded: never key ids, tool names or arguments. */
export interface Metrics {
  request(sample: { upstream: string; method: string; decision: 'allowed' | 'refused'; reason: string; seconds: number }): void;
  configuration(event: 'reloaded' | 'rejected'): void;
  /** An admitted call went beyond a soft limit. */
  overSoftLimit(upstream: string): void;
  /** A client's connection was closed before it said anything: there are as many as may be, of all or of its address. */
  connectionRefused(): void;
}

/** Counts refusals that are not journalled one by one: a flood must not fill the disk. */
export interface Tally {
  /** An unauthenticated refusal: journalled as a count for each reason and address prefix. */
  count(reason: Reason, address: string): void;
  /** A refusal whose own record could not be written: a `gap` record follows when the store is back. */
  missed(reason: Reason): void;
}
