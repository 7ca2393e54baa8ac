import { TurnoverMap } from '../../domain/turnover-map.ts';
import type { Gathering, Redoable } from './gathered.ts';
import type { Rows } from './journal-rows.ts';
import type { Hold } from './reservation.ts';
import { openRow, sealRow } from './row-text.ts';
import type { Holds, Range } from './tables.ts';

/** Holds that share a row: more would make a row dearer to write anew when one of them ends. */
const rowHoldsMax = 16;

interface Row {
  readonly key: string;
  readonly members: Held[];
  /** Whether it is to be written anew. */
  touched: boolean;
}

interface Held {
  hold: Hold;
  /** As JSON; made when its row is written. */
  text: string | undefined;
  row: Row | undefined;
}

/**
 * The holds of running calls, several a row: those that were admitted together are written together, and as calls end together too, most rows
 * are written twice or thrice and removed, for sixteen calls. A row holds exactly the holds that run. A process that commits remembers them
 * for as long as it alone changes the store, so a settle reads and parses nothing. A hold by itself, as stores of version 3 have them, is a row too.
 * @param damaged what is thrown where a row is not what was written
 */
export function holdRows(under: Rows<string>, damaged: (problem: string) => Error): Holds & Gathering & Redoable {
  const rows = new TurnoverMap<string, Row>();
  const held = new TurnoverMap<string, Held>();
  const holdText = createHoldTexts();
  let touched: Row[] = [];
  let added: Held[] = [];
  /** Ids of those that were put or removed and not told. */
  let untold: string[] = [];
  let open = false;
  let loaded = false;

  const holdsOf = (value: string): readonly Hold[] => {
    const stored = JSON.parse(openRow(value, () => damaged('a row of holds is not what was written'))) as Hold | readonly Hold[];
    return Array.isArray(stored) ? stored : [stored as Hold];
  };
  const forget = (): void => {
    rows.clear();
    held.clear();
    touched = [];
    added = [];
    loaded = false;
  };
  const load = (): void => {
    if (loaded) return;
    forget();
    for (const { key, value } of under.getRange({})) {
      const row: Row = { key, members: [], touched: false };
      rows.set(key, row);
      for (const hold of holdsOf(value)) {
        const one: Held = { hold, text: undefined, row };
        row.members.push(one);
        held.set(hold.id, one);
      }
    }
    loaded = true;
  };
  const touch = (row: Row): void => {
    if (row.touched) return;
    row.touched = true;
    touched.push(row);
  };
  const leaveRow = (one: Held): void => {
    if (!one.row) return;
    one.row.members.splice(one.row.members.indexOf(one), 1);
    touch(one.row);
    one.row = undefined;
  };
  const printed = (one: Held): string => {
    one.text ??= holdText(one.hold);
    return one.text;
  };
  const textOf = ({ members }: Row): string => sealRow(`[${members.map(printed).join(',')}]`);
  const write = (row: Row): void => {
    row.touched = false;
    if (row.members.length > 0) return void under.put(row.key, textOf(row));
    rows.delete(row.key);
    under.remove(row.key);
  };
  const newKey = (id: string): string => {
    // An id that was forgotten and is used again may find a row by its name still there.
    for (let count = 2, key = id; ; count += 1) {
      if (!rows.has(key)) return key;
      key = `${id} ${count}`;
    }
  };
  const flush = (): boolean => {
    const fresh = added.filter((one) => held.get(one.hold.id) === one);
    const wrote = fresh.length > 0 || touched.length > 0;
    for (const row of touched) write(row);
    touched = [];
    for (let from = 0; from < fresh.length; from += rowHoldsMax) {
      const some = fresh.slice(from, from + rowHoldsMax);
      const row: Row = { key: newKey(some[0]?.hold.id ?? ''), members: some, touched: false };
      for (const one of some) one.row = row;
      rows.set(row.key, row);
      write(row);
    }
    added = [];
    return wrote;
  };
  const inCommit = <T>(act: () => T): T => {
    if (!open) throw new Error('Holds are changed inside a commit only.');
    load();
    return act();
  };
  const stored = (): Hold[] => [...under.getRange({})].flatMap(({ value }) => holdsOf(value));
  const get = (id: string): Hold | undefined => {
    if (!open) return stored().find((hold) => hold.id === id);
    load();
    return held.get(id)?.hold;
  };
  const entries = (range: Range): { key: string; value: Hold }[] => {
    if (open) load();
    const all = open ? held.values().map(({ hold }) => hold) : stored();
    return select(all, range).map((hold) => ({ key: hold.id, value: hold }));
  };
  const put = (id: string, hold: Hold): void =>
    inCommit(() => {
      untold.push(id);
      const known = held.get(id);
      if (known) {
        known.hold = hold;
        known.text = undefined;
        if (known.row) touch(known.row);
        return;
      }
      const one: Held = { hold, text: undefined, row: undefined };
      held.set(id, one);
      added.push(one);
    });
  const remove = (id: string): void =>
    inCommit(() => {
      const known = held.get(id);
      if (!known) return;
      untold.push(id);
      held.delete(id);
      leaveRow(known);
    });
  return {
    get,
    doesExist: (id) => get(id) !== undefined,
    put,
    remove,
    redo() {
      const lines = untold.map((id) => {
        const one = held.get(id);
        return one ? `+${printed(one)}` : `-${JSON.stringify(id)}`;
      });
      untold = [];
      return lines;
    },
    replay(line) {
      if (line.startsWith('-')) return remove(JSON.parse(line.slice(1)) as string);
      const hold = JSON.parse(line.slice(1)) as Hold;
      put(hold.id, hold);
    },
    expired(now, max) {
      if (open) load();
      const ids: string[] = [];
      // Looked through every second or two, whatever runs: without an order, which thousands of streams would make dear.
      for (const hold of open ? held.values().map((one) => one.hold) : stored()) {
        if (hold.until <= now && ids.length < max) ids.push(hold.id);
      }
      return ids;
    },
    getRange: entries,
    getKeys: (range) => entries(range).map(({ key }) => key),
    begin(kept) {
      open = true;
      untold = [];
      if (!kept) forget();
    },
    end() {
      try {
        return flush();
      } finally {
        open = false;
      }
    },
  };
}

/** Prints holds. Calls of one kind hold the same takings, which are most of the text and are printed once. */
function createHoldTexts(): (hold: Hold) => string {
  const known = new WeakMap<Hold['takings'], string>();
  return ({ takings, ...rest }) => {
    let text = known.get(takings);
    if (text === undefined) {
      text = JSON.stringify(takings);
      known.set(takings, text);
    }
    return `${JSON.stringify(rest).slice(0, -1)},"takings":${text}}`;
  };
}

/** Ids are ASCII, so their order is that of the database. */
function select(holds: Hold[], { start, end, exclusiveStart = false, limit = Number.POSITIVE_INFINITY }: Range): Hold[] {
  const from = start === undefined ? '' : String(start);
  const within = holds.filter(({ id }) => (exclusiveStart ? id > from : id >= from) && (end === undefined || id < String(end)));
  return within.sort((one, other) => (one.id < other.id ? -1 : 1)).slice(0, limit);
}
