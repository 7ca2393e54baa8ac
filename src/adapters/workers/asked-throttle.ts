import type { Clock } from '../../ports/clock.ts';
import type { Take, Throttle } from '../../ports/throttle.ts';

/**
 * Has the process that counts for all workers count. A key that is over its limit is refused from memory until its window ends, so that a flood costs
 * that process nothing. Where it does not answer the promise rejects, and nothing is allowed.
 * @param options.blockedMax  keys refused from memory; 100,000 where not given
 */
export function createAskedThrottle(options: { ask: Throttle['take']; clock: Pick<Clock, 'monotonic'>; blockedMax?: number }): Throttle {
  const { ask, clock, blockedMax = 100_000 } = options;
  /** When the window of a key that is over its limit ends, by the monotonic clock. */
  const blocked = new Map<string, number>();
  return {
    async take(request) {
      const { key, calls, perSeconds } = request;
      const name = `${calls}/${perSeconds} ${key}`;
      const until = blocked.get(name);
      const leftMs = until === undefined ? 0 : until - clock.monotonic();
      if (leftMs > 0) return { allowed: false, retryAfterMs: Math.ceil(leftMs), remaining: 0, resetMs: Math.ceil(leftMs) } satisfies Take;
      if (until !== undefined) blocked.delete(name);
      const taken = await ask(request);
      if (!taken.allowed) {
        blocked.set(name, clock.monotonic() + taken.resetMs);
        for (const oldest of blocked.keys()) {
          if (blocked.size <= blockedMax) break;
          blocked.delete(oldest);
        }
      }
      return taken;
    },
  };
}
