import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Throttle } from '../ports/throttle.ts';

/** Limits counted at the same time; beyond it the one that was used longest ago is forgotten. */
const limitsMax = 256;
/** The port's bound. Beyond about 24 days the library's timers would fire at once and forget every count. */
const perSecondsMax = 86_400;

/** One limit, and when the window of each key counted under it ends (ms since the epoch), in the order in which they end. */
interface Counter {
  readonly limiter: RateLimiterMemory;
  readonly endings: Map<string, number>;
}

/**
 * Counts in this process. Memory is bounded, so that 10^6 addresses cost no more than the bound (A61): the window that is nearest to its end
 * goes first.
 * @param options.keysMax keys counted for each limit; 100,000 where not given
 */
export function createThrottle({ keysMax = 100_000 }: { keysMax?: number } = {}): Throttle {
  const counters = new Map<string, Counter>();
  return {
    async take({ key, calls, perSeconds }) {
      const counter = counterFor(counters, calls, perSeconds);
      const taken = await consume(counter.limiter, key);
      if (taken.isFirstInDuration) {
        // The library measures its windows by this clock, so the list must too.
        const now = Date.now();
        remember(counter, key, { end: now + taken.msBeforeNext, now, keysMax });
      }
      const allowed = taken.consumedPoints <= calls;
      const resetMs = Math.max(1, Math.ceil(taken.msBeforeNext));
      return { allowed, retryAfterMs: allowed ? 0 : resetMs, remaining: taken.remainingPoints, resetMs };
    },
  };
}

function counterFor(counters: Map<string, Counter>, calls: number, perSeconds: number): Counter {
  if (!Number.isSafeInteger(calls) || calls < 1 || !Number.isSafeInteger(perSeconds) || perSeconds < 1 || perSeconds > perSecondsMax) {
    throw new RangeError(`a rate is at least 1 call per 1 to ${perSecondsMax} seconds`);
  }
  const name = `${calls}/${perSeconds}`;
  const counter = counters.get(name) ?? { limiter: new RateLimiterMemory({ points: calls, duration: perSeconds }), endings: new Map() };
  // Taken out and put back, so that the first entry is the one that was used longest ago.
  counters.delete(name);
  counters.set(name, counter);
  const [oldest] = counters.keys();
  if (counters.size > limitsMax && oldest !== undefined) counters.delete(oldest);
  return counter;
}

/** The library rejects with its ordinary answer where the limit is passed; anything else is a fault. */
async function consume(limiter: RateLimiterMemory, key: string): Promise<RateLimiterRes> {
  try {
    return await limiter.consume(key);
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return refused;
    throw refused;
  }
}

function remember({ limiter, endings }: Counter, key: string, { end, now, keysMax }: { end: number; now: number; keysMax: number }): void {
  endings.delete(key);
  endings.set(key, end);
  // The library drops a key when its window ends, but this list does not hear of it: ended ones are dropped as they come to the front.
  for (const [oldest, ending] of endings) {
    if (ending > now && endings.size <= keysMax) return;
    endings.delete(oldest);
    if (ending > now) void limiter.delete(oldest);
  }
}
