import type { Range, Table } from './tables.ts';

/** What a gathered table writes to. LMDB's databases have this shape. */
type Under<V> = Table<V, string>;

/** What begins and ends with each transaction. */
export interface Gathering {
  /** From now on writes wait, and reads see them. @param kept whether the store is as the transaction before left it, so that what was read then still holds */
  begin(kept: boolean): void;
  /** Writes what waits, each key once. Answers whether there was anything. */
  end(): boolean;
}

/** A gathering whose changes can be told as text, and made anew from it. */
export interface Redoable {
  /** Lines that say what was changed since it was asked last, in this transaction. */
  redo(): string[];
  /** Makes a change anew that a line says. */
  replay(line: string): void;
}

/** A table whose writes wait until the end of the transaction that they are part of. */
export interface Gathered<V> extends Table<V, string>, Gathering, Redoable {}

/** As the transaction has it so far; without a value for what is not there. */
interface Entry<V> {
  value: V | undefined;
  /** Whether it waits to be written. */
  changed: boolean;
  /** Whether it waits to be told. */
  untold: boolean;
}

/** Entries remembered between transactions; beyond that all are forgotten and read as they come. */
const seenMax = 10_000;

/**
 * Many acts share one transaction, and most of them change the same few entries: the journal's head, the counters of a busy key. Each entry is read
 * and parsed once, for as long as nobody else commits, and written once at the end of each transaction that changed it, which costs a fraction of doing so
 * for every act. Outside of a transaction this is the table itself.
 */
export function gathered<V>(under: Under<V>): Gathered<V> {
  let seen = new Map<string, Entry<V>>();
  let changed: [string, Entry<V>][] = [];
  let untold: [string, Entry<V>][] = [];
  let open = false;
  let wrote = false;

  const flush = (): void => {
    for (const [key, entry] of changed) {
      wrote = true;
      entry.changed = false;
      if (entry.value === undefined) under.remove(key);
      else under.put(key, entry.value);
    }
    changed = [];
  };
  const remember = (key: string, value: V | undefined): Entry<V> => {
    const entry = { value, changed: false, untold: false };
    seen.set(key, entry);
    return entry;
  };
  const entryOf = (key: string): Entry<V> => seen.get(key) ?? remember(key, under.get(key));
  const get = (key: string): V | undefined => (open ? entryOf(key).value : under.get(key));
  const set = (key: string, value: V | undefined): void => {
    // What is written is not read first.
    const entry = seen.get(key) ?? remember(key, value);
    entry.value = value;
    if (!entry.untold) untold.push([key, entry]);
    entry.untold = true;
    if (entry.changed) return;
    entry.changed = true;
    changed.push([key, entry]);
  };
  return {
    get,
    doesExist: (key) => (open ? get(key) !== undefined : under.doesExist(key)),
    put: (key, value) => (open ? set(key, value) : under.put(key, value)),
    remove: (key) => (open ? set(key, undefined) : under.remove(key)),
    // Ranges are read from the database itself, so what waits goes there first.
    getRange(range: Range) {
      flush();
      return under.getRange(range);
    },
    getKeys(range: Range) {
      flush();
      return under.getKeys(range);
    },
    redo() {
      const lines = untold.map(([key, { value }]) => JSON.stringify(value === undefined ? [key] : [key, value]));
      for (const [, entry] of untold) entry.untold = false;
      untold = [];
      return lines;
    },
    replay(line) {
      const [key, value] = JSON.parse(line) as [string, V?];
      set(key, value);
    },
    begin(kept) {
      open = true;
      if (!kept || seen.size > seenMax) seen = new Map();
      for (const [, entry] of [...changed, ...untold]) {
        entry.changed = false;
        entry.untold = false;
      }
      changed = [];
      untold = [];
      wrote = false;
    },
    end() {
      try {
        flush();
        return wrote;
      } finally {
        open = false;
      }
    },
  };
}
