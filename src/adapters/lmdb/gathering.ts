import type { CommitMark } from './commit-mark.ts';
import type { Gathering, Redoable } from './gathered.ts';
import type { Table } from './tables.ts';

/** One transaction after the other, with the writes of all tables put off to its end. */
export interface Transactions {
  /** Begins one; the write lock is held. What is ahead of the store (write-ahead.ts) is taken in first. */
  begin(): void;
  /**
   * What was changed since it was asked last, as text from which it can be made anew on top of the base; empty where nothing was. Undefined where this
   * transaction has changes that cannot be told, or that were taken in: then it is durable with its end alone.
   */
  redo(): string | undefined;
  /** Whether all that was changed in this transaction so far can be told. */
  tellable(): boolean;
  /** The mark that the store had when this transaction began; undefined in a store that has none. */
  base(): string | undefined;
  /** Writes what waits. @throws the first fault, once every table has ended */
  end(): void;
  /** Begins one, runs the body and ends it, whatever the body comes to. */
  run<T>(body: () => T): T;
  /** To be called by whatever is changed without being told. */
  aside(): void;
}

/**
 * @param options.tables  what begins and ends with each transaction
 * @param options.told  those of them whose changes can be told, by a letter each
 * @param options.left  the texts that are ahead of a store with this mark, in their order
 */
export function createTransactions(options: {
  tables: readonly Gathering[];
  told: Readonly<Record<string, Redoable>>;
  mark: CommitMark;
  left: (base: string) => readonly string[];
}): Transactions {
  const { tables, told, mark, left } = options;
  const letters = Object.entries(told);
  let base: string | undefined;
  let tellable = false;
  let anyTold = false;
  let kept = false;

  const endAll = (): boolean => {
    const faults: unknown[] = [];
    let wrote = false;
    for (const table of tables) {
      try {
        wrote = table.end() || wrote;
      } catch (fault) {
        faults.push(fault);
      }
    }
    if (faults.length > 0) throw faults[0];
    return wrote;
  };
  const takeIn = (): void => {
    const texts = base === undefined ? [] : left(base);
    for (const text of texts) {
      for (const line of text.split('\n')) {
        const table = told[line.charAt(0)];
        if (!table) throw new Error(`Nothing is known of what begins with ${JSON.stringify(line.charAt(0))} ahead of the store.`);
        table.replay(line.slice(1));
      }
    }
    if (texts.length > 0) tellable = false;
  };
  const begin = (): void => {
    kept = mark.stands();
    base = mark.stored();
    // What a fault leaves half done is not what the tables remember.
    mark.lose();
    tellable = base !== undefined;
    anyTold = false;
    for (const table of tables) table.begin(kept);
    if (!kept) takeIn();
  };
  const end = (): void => {
    if (endAll() || anyTold) mark.leave();
    else if (kept) mark.keep();
  };
  return {
    begin,
    end,
    base: () => base,
    tellable: () => tellable,
    redo() {
      if (!tellable) return undefined;
      const lines: string[] = [];
      for (const [letter, table] of letters) for (const line of table.redo()) lines.push(letter + line);
      if (lines.length > 0) anyTold = true;
      return lines.join('\n');
    },
    run(body) {
      begin();
      let done: { readonly value: ReturnType<typeof body> } | undefined;
      try {
        done = { value: body() };
      } finally {
        if (done) end();
        else endAll();
      }
      return done.value;
    },
    aside() {
      tellable = false;
    },
  };
}

/** A table whose changes are not told: each is said to have been made. */
export function untold<V, K>(under: Table<V, K>, changed: () => void): Table<V, K> {
  return {
    get: (key) => under.get(key),
    doesExist: (key) => under.doesExist(key),
    put(key, value) {
      changed();
      return under.put(key, value);
    },
    remove(key) {
      changed();
      return under.remove(key);
    },
    getRange: (range) => under.getRange(range),
    getKeys: (range) => under.getKeys(range),
  };
}
