import type { Clock } from '../../../ports/clock.ts';

/** The first wait after a failure and the longest one; a failure long after the one before it counts as the first. Milliseconds. */
const firstMs = 1_000;
const longestMs = 30_000;
const forgottenMs = 60_000;
const namesMax = 10_000;

/** How long what failed is left alone: twice as long after each failure. */
export interface BackOff {
  /** Milliseconds still to wait; 0 = none. */
  waitMs(name: string): number;
  failed(name: string): void;
}

export function createBackOff(clock: Pick<Clock, 'monotonic'>): BackOff {
  const failures = new Map<string, { count: number; at: number }>();
  const delayOf = (count: number): number => Math.min(firstMs * 2 ** (count - 1), longestMs);
  return {
    waitMs(name) {
      const failure = failures.get(name);
      return failure ? Math.max(0, Math.ceil(failure.at + delayOf(failure.count) - clock.monotonic())) : 0;
    },
    failed(name) {
      const now = clock.monotonic();
      const before = failures.get(name);
      const count = before && now - before.at < forgottenMs + delayOf(before.count) ? before.count + 1 : 1;
      failures.delete(name);
      failures.set(name, { count: Math.min(count, 32), at: now });
      const [oldest] = failures.keys();
      if (failures.size > namesMax && oldest !== undefined) failures.delete(oldest);
    },
  };
}
