import type { Gathering } from './gathered.ts';
import type { Ended } from './reservation.ts';
import type { Table } from './tables.ts';

/** The table of LMDB, which can be read from its end. */
type Under = Table<Ended, string> & { getKeys(range: { reverse: boolean; limit: number }): Iterable<string> };

/**
 * Ended reservations, with the greatest id among them remembered for as long as nobody else commits. Every admit asks whether its reservation ended
 * already, and ids sort by time, so nearly all that are asked for lie beyond: they need no read. Ids are ASCII, and so in the database's order.
 */
export function endedRows(under: Under): Table<Ended, string> & Gathering {
  let greatest: string | undefined;
  let open = false;
  let wrote = false;
  const isBeyond = (id: string): boolean => {
    if (!open) return false;
    greatest ??= [...under.getKeys({ reverse: true, limit: 1 })][0] ?? '';
    return id > greatest;
  };
  return {
    get: (id) => (isBeyond(id) ? undefined : under.get(id)),
    doesExist: (id) => !isBeyond(id) && under.doesExist(id),
    put(id, ended) {
      wrote = true;
      if (isBeyond(id)) greatest = id;
      return under.put(id, ended);
    },
    // What is removed may have been the greatest: then a read more is made than need be.
    remove: (id) => under.remove(id),
    getRange: (range) => under.getRange(range),
    getKeys: (range) => under.getKeys(range as Parameters<Under['getKeys']>[0]),
    begin(kept) {
      open = true;
      wrote = false;
      if (!kept) greatest = undefined;
    },
    end() {
      open = false;
      return wrote;
    },
  };
}
