import type { Acknowledgement } from '../../ports/keyring.ts';
import type { Take } from '../../ports/throttle.ts';

/** One metric with its values, as prom-client gives and sums them. */
export interface MetricValues {
  readonly name: string;
  readonly type: unknown;
}

/** What a worker asks of the process that started it. @template Start what it begins with */
export interface AsksOfWorker<Start> {
  begin: { given: undefined; answer: Start };
  serving: { given: Addresses; answer: undefined };
  /** It cannot serve, and ends. */
  failed: { given: string; answer: undefined };
  take: { given: { key: string; calls: number; perSeconds: number }; answer: Take };
  metrics: { given: undefined; answer: string };
  heard: { given: { keyIds: readonly string[]; withinMs: number }; answer: Acknowledgement };
}

/** What is asked of a worker. @template Change a configuration that was read anew */
export interface AsksOfPrimary<Change> {
  heard: { given: readonly string[]; answer: undefined };
  metrics: { given: undefined; answer: readonly MetricValues[] };
  /** Answers whether it is in force there now. */
  change: { given: Change; answer: boolean };
  drain: { given: undefined; answer: undefined };
}

/** Where a worker listens: every one at the same. */
export interface Addresses {
  readonly mcp: string;
  readonly admin: string;
}
