import type { Range, Table } from './tables.ts';

/** What a gathered table writes to. LMDB's databases have this shape. */
type Under<V> = Table<V, string>;

/** What begins and ends with each commit. */
export interface Gathering {
  /** From now on writes wait, and reads see them. */
  begin(): void;
  /** Writes what waits, each key once. */
  end(): void;
}

/** A table whose writes wait until the end of the commit that they are part of. */
export interface Gathered<V> extends Table<V, string>, Gathering {}

/**
 * Several acts share one commit, and most of them change the same few entries: the journal's head, the counters of a busy key. Each entry is read
 * and parsed once in a commit and written once at its end, which costs a fraction of doing so for every act. Outside of a commit this is the table itself.
 */
export function gathered<V>(under: Under<V>): Gathered<V> {
  /** As the commit has them so far; undefined for what is not there. */
  const seen = new Map<string, V | undefined>();
  const changed = new Set<string>();
  let open = false;

  const flush = (): void => {
    for (const key of changed) {
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
    begin() {
      open = true;
    },
    end() {
      try {
        flush();
      } finally {
        open = false;
        seen.clear();
        changed.clear();
      }
    },
  };
}
