import type { Gathering } from './gathered.ts';
import { type DueIds, type DueKey, dueKey } from './reservation.ts';

/** Ids that share an entry. */
const rowIdsMax = 64;

/** Writes the ids of ended reservations down together, for one sweep to forget: all that ended in one commit have the same time, or nearly. */
export function dueRows(under: {
  put(key: DueKey, value: DueIds): unknown;
}): Gathering & { readonly add: (at: number, id: string) => void } {
  let added: { at: number; id: string }[] = [];
  return {
    add: (at, id) => void added.push({ at, id }),
    begin() {
      added = [];
    },
    end() {
      const all = added;
      added = [];
      for (let from = 0; from < all.length; from += rowIdsMax) {
        const [first, ...others] = all.slice(from, from + rowIdsMax);
        if (!first) continue;
        // None is forgotten before its time.
        const at = others.reduce((latest, one) => Math.max(latest, one.at), first.at);
        under.put(dueKey(at, 'ended', first.id), others.length === 0 ? true : others.map(({ id }) => id));
      }
      return all.length > 0;
    },
  };
}
