import type { Calendar } from './calendar.ts';
import type { KeyRecord } from './key.ts';
import { type Limit, limitsOf } from './limits.ts';

/** Every limit of one key as of `now`, as `limitsOf` says. */
export type KeyLimits = (key: KeyRecord, now: number) => readonly Limit[];

/** The limits of a record, and the time for which their windows are these. */
interface Known {
  readonly limits: readonly Limit[];
  readonly from: number;
  readonly until: number;
}

/**
 * Limits that are remembered for as long as their windows go on: their names are texts that each call would put together anew. Whoever changes a key
 * makes another record of it, so what is remembered of a record holds for as long as there is one.
 */
export function createKnownLimits(calendar: Calendar): KeyLimits {
  const known = new WeakMap<KeyRecord, Known>();
  return (key, now) => {
    const last = known.get(key);
    if (last && now >= last.from && now < last.until) return last.limits;
    const limits = limitsOf(key, calendar, now);
    const from = Math.max(0, ...limits.map(({ start }) => start));
    const until = Math.min(...limits.map(({ end = Number.POSITIVE_INFINITY }) => end), Number.POSITIVE_INFINITY);
    known.set(key, { limits, from, until });
    return limits;
  };
}
