import type { Era } from '../../../domain/method.ts';
import type { Clock } from '../../../ports/clock.ts';

/** Whether the upstream speaks an era itself, or is spoken to in the other. */
export type Verdict = 'native' | 'bridged';

/**
 * What is known about upstreams' eras, for a while. Only a cache: any replica finds out for itself (I9), and a wrong entry costs one
 * refusal, after which it is doubted.
 */
export interface KnownEras {
  get(place: string, era: Era): Verdict | undefined;
  learn(place: string, era: Era, verdict: Verdict): void;
  /** An answer said otherwise: it is to be found out anew, unless that was done just now. */
  doubt(place: string, era: Era): void;
  /** One asking at a time for each upstream and era: whoever comes meanwhile waits for its outcome. */
  once(place: string, era: Era, find: () => Promise<Verdict>): Promise<Verdict>;
  forget(): void;
}

/** Milliseconds. */
const freshMs = 600_000;
const doubtAfterMs = 10_000;
/** Upstreams come from the configuration; those that moved leave entries behind until the next reload. */
const entriesMax = 10_000;

export function createKnownEras({ clock }: { clock: Clock }): KnownEras {
  const known = new Map<string, { verdict: Verdict; at: number }>();
  const asking = new Map<string, Promise<Verdict>>();
  return {
    get(place, era) {
      const entry = known.get(keyOf(place, era));
      return entry && clock.monotonic() - entry.at < freshMs ? entry.verdict : undefined;
    },
    learn(place, era, verdict) {
      if (known.size >= entriesMax) known.clear();
      known.set(keyOf(place, era), { verdict, at: clock.monotonic() });
    },
    doubt(place, era) {
      const key = keyOf(place, era);
      const entry = known.get(key);
      if (entry && clock.monotonic() - entry.at >= doubtAfterMs) known.delete(key);
    },
    once(place, era, find) {
      const key = keyOf(place, era);
      const running = asking.get(key);
      if (running) return running;
      const found = find().finally(() => asking.delete(key));
      asking.set(key, found);
      return found;
    },
    forget: () => known.clear(),
  };
}

function keyOf(place: string, era: Era): string {
  return `${era} ${place}`;
}
