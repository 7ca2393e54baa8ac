import type { Clock } from '../../ports/clock.ts';
import type { Duties } from '../../ports/duties.ts';
import type { Tables } from './tables.ts';

/** Who holds a duty, and until when (ms since the epoch). */
interface Held {
  readonly instance: string;
  readonly until: number;
}

/** One of several processes that serve for one gateway. */
interface Among {
  readonly instance: string;
  /** Whether a process life still serves from the store. */
  readonly serves: (instance: string) => boolean;
  readonly clock: Clock;
}

/**
 * The duties port on LMDB. Where a gateway is one process every duty is that one's for as long as it serves, and nobody's otherwise; several that
 * serve for one gateway lease them from each other, and what one that was killed held is free at once.
 * @param options.isGateway  whether this process life is the gateway now, or serves for it
 * @param options.among  absent where a gateway is one process
 */
export function createDuties(options: { tables: Tables; isGateway: () => boolean; among?: Among | undefined }): Duties {
  const { tables, isGateway, among } = options;
  const progress = (name: string): number => (tables.meta.get(`progress ${name}`) as number | undefined) ?? 0;
  return {
    hold: async (name, ms) => isGateway() && (!among || (await leased(tables, { ...among, name, ms }))),
    release: async (name) => {
      if (!among) return;
      tables.refresh();
      if (heldBy(tables, name)?.instance !== among.instance) return;
      await tables.commit(() => {
        if (heldBy(tables, name)?.instance === among.instance) tables.meta.remove(`duty ${name}`);
      });
    },
    progress: async (name) => {
      await tables.readable();
      return progress(name);
    },
    advance: async (name, position) => {
      if (!Number.isSafeInteger(position) || position < 0) throw new Error('A duty advances to a position: a whole number, 0 or more.');
      await tables.commit(() => {
        if (position > progress(name)) tables.meta.put(`progress ${name}`, position);
      });
    },
  };
}

/** Looks before it writes, at what any of them committed last: most rounds find that the duty is another's. */
async function leased(tables: Tables, lease: Among & { name: string; ms: number }): Promise<boolean> {
  const { name, ms, instance, serves, clock } = lease;
  const isFree = (): boolean => {
    const held = heldBy(tables, name);
    return !held || held.instance === instance || held.until <= clock.now() || !serves(held.instance);
  };
  tables.refresh();
  if (!isFree()) return false;
  return await tables.commit(() => {
    if (!isFree()) return false;
    tables.meta.put(`duty ${name}`, { instance, until: clock.now() + ms } satisfies Held);
    return true;
  });
}

function heldBy(tables: Tables, name: string): Held | undefined {
  return tables.meta.get(`duty ${name}`) as Held | undefined;
}
