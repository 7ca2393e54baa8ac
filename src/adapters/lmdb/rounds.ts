import type { CommitMark } from './commit-mark.ts';
import type { Gathering, Redoable } from './gathered.ts';
import type { Table } from './tables.ts';

/** An act that is done in a transaction of LMDB only, as its changes cannot be told as text. */
export class NeedsTransaction extends Error {}

/**
 * One round of acts after the other, with the writes of all tables put off to its end: in memory, until a transaction of LMDB takes what was written, or in such
 * a transaction from its beginning.
 */
export interface Rounds {
  /**
   * Begins a round in memory. False, and then none is begun, where this process may not go ahead, where there is something ahead of the store that a transaction
   * must take in first, and where it has no mark yet.
   */
  begin(): boolean;
  /** The mark that the store had when this round began. */
  base(): string;
  /** What was changed since it was asked last, as text from which it can be made anew on top of the base; empty where nothing was. */
  redo(): string;
  /**
   * Ends a round that was begun in memory, inside a transaction: what waits is written. False where the store is not what the round goes on from, since another
   * process committed meanwhile: then nothing of the round holds, but for the groups that were taken in.
   * @param last run at the end of the round, inside the transaction
   */
  end(last: () => void): boolean;
  /** How many groups ahead of the base another process took in. */
  taken(base: string): number;
  /** A round inside a transaction. What is ahead of the store is taken in first. */
  run<T>(body: () => T): T;
  /** To be called before, and by, whatever is changed without being told. @throws NeedsTransaction in a round in memory */
  aside(): void;
}

/** What another process left of a store's past, in the transaction that took it in. */
interface Taken {
  readonly base: string;
  readonly groups: number;
}

/**
 * @param options.tables  what begins and ends with each round
 * @param options.told  those of them whose changes can be told, by a letter each
 * @param options.mayGoAhead  asked whenever another process has committed
 * @param options.fence  says that a commit on top of a base is about to be made, and answers the texts ahead of it
 * @param options.ahead  the texts ahead of a base
 */
export function createRounds(options: {
  tables: readonly Gathering[];
  told: Readonly<Record<string, Redoable>>;
  mark: CommitMark;
  notes: { get(name: string): unknown; put(name: string, value: Taken): unknown };
  mayGoAhead?: () => boolean;
  fence: (base: string) => readonly string[];
  ahead?: (base: string) => readonly string[];
}): Rounds {
  const { tables, told, mark, notes, mayGoAhead = () => true, fence, ahead = () => [] } = options;
  const letters = Object.entries(told);
  let base = '';
  let inMemory = false;
  let anyTold = false;
  let kept = false;
  let may = true;

  const beginAll = (): void => {
    // What a fault leaves half done is not what the tables remember.
    mark.lose();
    anyTold = false;
    for (const table of tables) table.begin(kept);
  };
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
  const finish = (): void => {
    inMemory = false;
    if (endAll() || anyTold) mark.leave();
    else if (kept) mark.keep();
  };
  const takeIn = (texts: readonly string[], of: string): void => {
    for (const line of texts.flatMap((text) => text.split('\n'))) {
      const table = told[line.charAt(0)];
      if (!table) throw new Error(`Nothing is known of what begins with ${JSON.stringify(line.charAt(0))} ahead of the store.`);
      table.replay(line.slice(1));
    }
    if (texts.length > 0) notes.put('taken', { base: of, groups: texts.length });
  };
  return {
    begin() {
      const stored = mark.stored();
      kept = mark.stands();
      // What was answered before may have been so for want of a claim.
      may = (kept && may) || mayGoAhead();
      if (!may || stored === undefined || (!kept && ahead(stored).length > 0)) return false;
      base = stored;
      inMemory = true;
      beginAll();
      return true;
    },
    base: () => base,
    redo() {
      const lines: string[] = [];
      for (const [letter, table] of letters) for (const line of table.redo()) lines.push(letter + line);
      if (lines.length > 0) anyTold = true;
      return lines.join('\n');
    },
    end(last) {
      const stands = mark.stored() === base;
      inMemory = false;
      if (!stands) return false;
      last();
      finish();
      return true;
    },
    taken(of) {
      const taken = notes.get('taken') as Taken | undefined;
      return taken?.base === of ? taken.groups : 0;
    },
    run(body) {
      const stored = mark.stored();
      kept = mark.stands();
      if (!kept) may = mayGoAhead();
      inMemory = false;
      beginAll();
      let done: { readonly value: ReturnType<typeof body> } | undefined;
      try {
        if (stored !== undefined) takeIn(fence(stored), stored);
        done = { value: body() };
      } finally {
        if (done) finish();
        else endAll();
      }
      return done.value;
    },
    aside() {
      if (inMemory) throw new NeedsTransaction('An act changed what only a transaction may change.');
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
