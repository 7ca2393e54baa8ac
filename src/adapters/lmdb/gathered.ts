import type { Range, Table } from './tables.ts';

/** What a gathered table writes to. LMDB's databases have this shape. */
type Under<V> = Table<V, string>;

/** What begins and ends with each commit. */
export interface Gathering {
  /** From now on writes wait, and reads see them. @param kept whether the store is as the commit before left it, so that what was read then still holds */
  begin(kept: boolean): void;
  /** Writes what waits, each key once. Answers whether there was anything. */
  end(): boolean;
}

/** A table whose writes wait until the end of the commit that they are part of. */
export interface Gathered<V> extends Table<V, string>, Gathering {}

/** Entries remembered between commits; beyond that all are forgotten and read as they come. */
const seenMax = 10_000;

/**
 * Several acts share one commit, and most of them change the same few entries: the journal's head, the counters of a busy key. Each entry is read
 * and parsed once, for as long as nobody else commits, and written once at the end of each commit that changed it, which costs a fraction of doing so
 * for every act. Outside of a commit this is the table itself.
 */
export function gathered<V>(under: Under<V>): Gathered<V> {
  /** As the commit has them so far; undefined for what is not there. */
  const seen = new Map<string, V | undefined>();
  const changed = new Set<string>();
  let open = false;
  let wrote = false;

  const flush = (): void => {
    for (const key of changed) {
      wrote = true;
      const value = seen.get(key);
      if (value === undefined) under.remove(key);
      else under.put(key, value);
    }
    changed.clear();
  };
  const get = (key: string): V | undefined => {
    if (!open) return under.get(key);
    const known = seen.get(key);
    if (known !== undefined || seen.has(key)) return known;
    const value = under.get(key);
    seen.set(key, value);
    return value;
  };
  const set = (key: string, value: V | undefined): void => {
    seen.set(key, value);
    changed.add(key);
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
    begin(kept) {
      open = true;
      if (!kept || seen.size > seenMax) seen.clear();
      changed.clear();
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
