import type { Era } from '../../../domain/method.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { UpstreamRequest } from '../../../ports/upstreams.ts';

/** Whether the upstream speaks an era itself, or is spoken to in the other. */
export type Verdict = 'native' | 'bridged';

/** An upstream that moves is another. */
type Place = Pick<UpstreamRequest, 'upstream' | 'url'>;

/**
 * What is known about upstreams' eras, for a while. Only a cache: any replica finds out for itself (I9), and a wrong entry costs one
 * refusal, after which it is doubted.
 */
export interface KnownEras {
  get(place: Place, era: Era): Verdict | undefined;
  learn(place: Place, era: Era, verdict: Verdict): void;
  /** An answer said otherwise: it is to be found out anew, unless that was done just now. */
  doubt(place: Place, era: Era): void;
  /** One asking at a time for each upstream: whoever comes meanwhile waits for its outcome. */
  once(place: Place, find: () => Promise<Verdict>): Promise<Verdict>;
  forget(): void;
}

interface Known {
  readonly url: string | undefined;
  readonly verdict: Verdict;
  /** On the monotonic clock. */
  readonly at: number;
}

/** Milliseconds. */
const freshMs = 600_000;
const doubtAfterMs = 10_000;

/** Names come from the configuration, so there are no more entries than it has upstreams. */
export function createKnownEras({ clock }: { clock: Clock }): KnownEras {
  const known = { session: new Map<string, Known>(), stateless: new Map<string, Known>() };
  const asking = new Map<string, Promise<Verdict>>();
  return {
    get({ upstream, url }, era) {
      const entry = known[era].get(upstream);
      return entry && entry.url === url && clock.monotonic() - entry.at < freshMs ? entry.verdict : undefined;
    },
    learn({ upstream, url }, era, verdict) {
      known[era].set(upstream, { url, verdict, at: clock.monotonic() });
    },
    doubt({ upstream }, era) {
      const entry = known[era].get(upstream);
      if (entry && clock.monotonic() - entry.at >= doubtAfterMs) known[era].delete(upstream);
    },
    once({ upstream, url }, find) {
      const key = JSON.stringify([upstream, url]);
      const running = asking.get(key);
      if (running) return running;
      const found = find().finally(() => asking.delete(key));
      asking.set(key, found);
      return found;
    },
    forget() {
      known.session.clear();
      known.stateless.clear();
    },
  };
}
