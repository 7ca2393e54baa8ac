import type { Clock } from '../../ports/clock.ts';
import type { Duties } from '../../ports/duties.ts';
import type { Log } from '../../ports/observe.ts';

/** How long an upstream whose tools are called is not asked what they look like, in milliseconds. */
const lookEveryMs = 60_000;

/** The gateway's own looks at what an upstream lists, for clients that call without listing. */
export interface Looks {
  /**
   * Begins a look where one is due. Resolves, and never rejects, once the one that runs has ended; undefined where none runs. The first one is due
   * at once where nothing passes that nobody has seen; otherwise the clients' own lists come first, and a call by itself sends the upstream nothing
   * but the call.
   */
  due(upstream: string, options: { atOnce: boolean }): Promise<void> | undefined;
}

/**
 * @param options.look  asks an upstream for its tools and has them judged
 * @param options.duties  of many gateways one looks
 */
export function createLooks(options: { look: (upstream: string) => Promise<void>; duties: Duties; clock: Clock; log: Log }): Looks {
  const { look, duties, clock, log } = options;
  const lookedAt = new Map<string, number>();
  const running = new Map<string, Promise<void>>();
  const lookNow = async (upstream: string): Promise<void> => {
    try {
      if (await duties.hold(`look ${upstream}`, lookEveryMs)) await look(upstream);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn('an upstream did not say what its tools look like', { upstream, reason });
    }
  };
  return {
    due(upstream, { atOnce }) {
      const now = clock.monotonic();
      const at = lookedAt.get(upstream);
      if (at === undefined && !atOnce) return void lookedAt.set(upstream, now);
      if (at !== undefined && now - at < lookEveryMs) return running.get(upstream);
      lookedAt.set(upstream, now);
      const started = lookNow(upstream).finally(() => running.delete(upstream));
      running.set(upstream, started);
      return started;
    },
  };
}
