import { createHash } from 'node:crypto';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Clock } from '../../ports/clock.ts';
import type { Take, Throttle } from '../../ports/throttle.ts';
import type { Connection } from './connection.ts';

/** Limits counted at the same time; beyond it the one that was used longest ago is made anew when it is used again. */
const limitersMax = 256;
const perSecondsMax = 86_400;

/**
 * Counts in Redis, for all replicas together. A key that is over its limit is refused from memory until its window ends, so that a flood costs
 * Redis nothing; the library's own list for that is not used, because it is searched through whenever it grows, and has no bound.
 * Where Redis does not answer the promise rejects, and nothing is allowed.
 * @param options.blockedMax  keys refused from memory; 100,000 where not given
 */
export function createRedisThrottle(options: { connection: Pick<Connection, 'client'>; clock: Clock; blockedMax?: number }): Throttle {
  const { connection, clock, blockedMax = 100_000 } = options;
  const limiters = new Map<string, RateLimiterRedis>();
  /** When the window of a key that is over its limit ends, by the monotonic clock. */
  const blocked = new Map<string, number>();

  const limiterFor = (limit: string, calls: number, perSeconds: number): RateLimiterRedis => {
    const made = () =>
      new RateLimiterRedis({ storeClient: connection.client, keyPrefix: `kg:rate:${limit}`, points: calls, duration: perSeconds });
    const limiter = limiters.get(limit) ?? made();
    // Taken out and put back, so that the first entry is the one that was used longest ago.
    limiters.delete(limit);
    limiters.set(limit, limiter);
    trim(limiters, limitersMax);
    return limiter;
  };

  return {
    async take({ key, calls, perSeconds }) {
      if (!isCount(calls) || !isCount(perSeconds) || perSeconds > perSecondsMax) {
        throw new RangeError(`a rate is at least 1 call per 1 to ${perSecondsMax} seconds`);
      }
      const limit = `${calls}/${perSeconds}`;
      // Keys may be any text of any length.
      const name = createHash('sha256').update(key).digest('base64url');
      const blockedName = `${limit} ${name}`;
      const left = (blocked.get(blockedName) ?? 0) - clock.monotonic();
      if (left > 0) return refusal(left);
      blocked.delete(blockedName);
      const { allowed, taken } = await consume(limiterFor(limit, calls, perSeconds), name);
      if (!allowed) {
        blocked.set(blockedName, clock.monotonic() + taken.msBeforeNext);
        trim(blocked, blockedMax);
        return refusal(taken.msBeforeNext);
      }
      return { allowed, retryAfterMs: 0, remaining: taken.remainingPoints, resetMs: wholeMs(taken.msBeforeNext) };
    },
  };
}

function refusal(leftMs: number): Take {
  return { allowed: false, retryAfterMs: wholeMs(leftMs), remaining: 0, resetMs: wholeMs(leftMs) };
}

function wholeMs(ms: number): number {
  return Math.max(1, Math.ceil(ms));
}

/** The library rejects with its ordinary answer where the limit is passed; anything else is a fault. */
async function consume(limiter: RateLimiterRedis, name: string): Promise<{ allowed: boolean; taken: RateLimiterRes }> {
  try {
    return { allowed: true, taken: await limiter.consume(name) };
  } catch (refused) {
    if (refused instanceof RateLimiterRes) return { allowed: false, taken: refused };
    throw refused;
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

/** Drops the oldest entries beyond the bound. */
function trim(entries: Map<string, unknown>, max: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= max) return;
    entries.delete(oldest);
  }
}
