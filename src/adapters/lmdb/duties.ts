import type { Duties } from '../../ports/duties.ts';
import type { Tables } from './tables.ts';

/**
 * The duties port on LMDB. A store has one gateway process, so every duty is that one's for as long as it serves, and nobody's otherwise.
 * @param options.isGateway  whether this process life is the gateway now
 */
export function createDuties({ tables, isGateway }: { tables: Tables; isGateway: () => boolean }): Duties {
  const progress = (name: string): number => (tables.meta.get(`progress ${name}`) as number | undefined) ?? 0;
  return {
    hold: async () => isGateway(),
    release: async () => undefined,
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
