import { describe, expect, test } from 'vitest';
import { holdRows } from '../../../src/adapters/lmdb/hold-rows.ts';
import { journalRows, type Rows } from '../../../src/adapters/lmdb/journal-rows.ts';
import type { Hold } from '../../../src/adapters/lmdb/reservation.ts';

const damaged = (problem: string) => new Error(`damaged: ${problem}`);

/** A database in memory: ordered, and open to whoever wants to see what became of its rows. */
function database<K extends string | number>(): Rows<K> & { rows: Map<K, string>; puts: number } {
  const rows = new Map<K, string>();
  const made = {
    rows,
    puts: 0,
    get: (key: K) => rows.get(key),
    put(key: K, value: string) {
      made.puts += 1;
      rows.set(key, value);
    },
    remove: (key: K) => rows.delete(key),
    getRange({ start, reverse = false, limit = Number.POSITIVE_INFINITY }: Parameters<Rows<K>['getRange']>[0]) {
      const keys = [...rows.keys()].sort((one, other) => (one < other ? -1 : 1));
      const from = start as K | undefined;
      const within = keys.filter((key) => from === undefined || (reverse ? key <= from : key >= from));
      if (reverse) within.reverse();
      return within.slice(0, limit).map((key) => ({ key, value: rows.get(key) ?? '' }));
    },
  };
  return made;
}

const record = (position: number): string => JSON.stringify({ v: 1, position });

describe('rows of the journal', () => {
  function journalOf(commits: readonly (readonly number[])[]) {
    const under = database<number>();
    const journal = journalRows(under, { damaged });
    for (const positions of commits) {
      journal.begin(false);
      for (const position of positions) journal.put(position, record(position));
      journal.end();
    }
    return { under, journal };
  }
  const positions = (journal: ReturnType<typeof journalRows>, range: Parameters<typeof journal.getRange>[0]) =>
    [...journal.getRange(range)].map(({ key, value }) => (value === record(key) ? key : `wrong at ${key}`));

  test('what one commit appends is one row, and each position reads as what was put there', () => {
    const { under, journal } = journalOf([[1, 2, 3], [4], [5, 6]]);
    expect([...under.rows.keys()]).toEqual([1, 4, 5]);
    expect([1, 2, 3, 4, 5, 6].map((at) => journal.get(at))).toEqual([1, 2, 3, 4, 5, 6].map(record));
    expect([journal.get(0), journal.get(7), journal.doesExist(3), journal.doesExist(9)]).toEqual([undefined, undefined, true, false]);
  });

  test('ranges begin and end anywhere in a row', () => {
    const { journal } = journalOf([[1, 2, 3], [4], [5, 6]]);
    expect(positions(journal, {})).toEqual([1, 2, 3, 4, 5, 6]);
    expect(positions(journal, { start: 3, limit: 3 })).toEqual([3, 4, 5]);
    expect(positions(journal, { start: 2, end: 5, exclusiveStart: true })).toEqual([3, 4]);
    expect([...journal.getKeys({ start: 6 })]).toEqual([6]);
    expect(positions(journal, { start: 7 })).toEqual([]);
    expect(positions(journal, { limit: 0 })).toEqual([]);
  });

  test('a row that is full is followed by another, and a gap begins one', () => {
    const { under, journal } = journalOf([[1, 2, 7]]);
    expect([...under.rows.keys()]).toEqual([1, 7]);
    expect(positions(journal, { start: 3 })).toEqual([7]);
    journal.begin(false);
    for (let at = 8; at < 1008; at += 1) journal.put(at, record(at).padEnd(600));
    journal.end();
    expect(under.rows.size).toBeGreaterThan(20);
    expect([...journal.getKeys({ start: 8 })]).toHaveLength(1000);
  });

  test('what is removed from the front leaves the rest of its row, in the same commit as more is put', () => {
    const { journal } = journalOf([[1, 2, 3], [4], [5, 6]]);
    journal.begin(false);
    for (const at of [1, 2]) journal.remove(at);
    journal.put(7, record(7));
    // What is not committed is read by its position, and is no part of a range yet.
    expect([1, 3, 7].map((at) => journal.get(at))).toEqual([undefined, record(3), record(7)]);
    expect(positions(journal, {})).toEqual([1, 2, 3, 4, 5, 6]);
    for (const at of [3, 4, 5]) journal.remove(at);
    journal.end();
    expect(positions(journal, {})).toEqual([6, 7]);
    expect(journal.get(5)).toBeUndefined();
  });

  test('a store of version 3 had one record an entry', () => {
    const { under, journal } = journalOf([]);
    under.rows.set(1, record(1));
    under.rows.set(2, record(2));
    expect(positions(journal, {})).toEqual([1, 2]);
  });

  test('a row that has lost a record is refused, and a record has no line break', () => {
    const { under, journal } = journalOf([[1, 2, 3]]);
    under.rows.set(1, (under.rows.get(1) ?? '').replace('\n{', ' {'));
    expect(() => journal.get(1)).toThrow('damaged');
    expect(() => [...journal.getRange({})]).toThrow('damaged');
    expect(() => journal.put(4, 'a\nb')).toThrow('one line');
  });
});

describe('rows of holds', () => {
  const hold = (id: string, until = 1): Hold => ({ id, owner: 'me', keyId: 'k', until, price: 1, takings: [], intentAt: 1 });
  function setUp() {
    const under = database<string>();
    const holds = holdRows(under, damaged);
    let kept = false;
    const commit = (act: () => void) => {
      holds.begin(kept);
      act();
      holds.end();
      kept = true;
    };
    /** As another process, or a later life of this one, sees them. */
    const stored = () => [...holdRows(under, damaged).getKeys({})];
    return { under, holds, commit, stored };
  }
  const put = (holds: ReturnType<typeof holdRows>, ...ids: string[]) => {
    for (const id of ids) holds.put(id, hold(id));
  };

  test('those of one commit share a row, which holds exactly what still runs, and goes with the last', () => {
    const { under, holds, commit, stored } = setUp();
    commit(() => put(holds, 'a', 'b', 'c'));
    expect([under.rows.size, under.puts]).toEqual([1, 1]);
    commit(() => {
      for (const id of ['a', 'c']) holds.remove(id);
    });
    expect([under.rows.size, under.puts, stored()]).toEqual([1, 2, ['b']]);
    commit(() => holds.remove('b'));
    expect([under.rows.size, under.puts, stored()]).toEqual([0, 2, []]);
  });

  test('sixteen a row, and one that ends in the commit that took it is never written', () => {
    const { under, holds, commit, stored } = setUp();
    commit(() => {
      put(holds, ...Array.from({ length: 40 }, (_, at) => `h${String(at).padStart(2, '0')}`));
      holds.remove('h07');
    });
    expect([under.rows.size, stored().length, stored().includes('h07')]).toEqual([3, 39, false]);
  });

  test('a hold that is prolonged stays in its row', () => {
    const { under, holds, commit, stored } = setUp();
    commit(() => put(holds, 'a', 'b'));
    commit(() => holds.put('a', hold('a', 9)));
    expect([under.rows.size, stored(), holdRows(under, damaged).get('a')?.until]).toEqual([1, ['a', 'b'], 9]);
  });

  test('an id that is used again does not write over a row by its name', () => {
    const { holds, commit, stored } = setUp();
    commit(() => put(holds, 'a', 'b'));
    commit(() => holds.remove('a'));
    commit(() => put(holds, 'a'));
    commit(() => holds.remove('a'));
    commit(() => put(holds, 'a', 'c'));
    expect(stored()).toEqual(['a', 'b', 'c']);
  });

  test('those that expired are told, in a commit and outside of one, as many as are asked for', () => {
    const { holds, commit } = setUp();
    commit(() => {
      for (let at = 0; at < 40; at += 1) holds.put(`h${at}`, hold(`h${at}`, at));
      expect(holds.expired(1, 9).sort()).toEqual(['h0', 'h1']);
    });
    expect([holds.expired(-1, 9), holds.expired(100, 7).length]).toEqual([[], 7]);
    commit(() => holds.remove('h0'));
    expect(holds.expired(1, 9)).toEqual(['h1']);
    commit(() => expect(holds.expired(100, 99)).toHaveLength(39));
  });

  test('what another process changed is read anew', () => {
    const { under, holds, commit } = setUp();
    commit(() => put(holds, 'a', 'b'));
    const other = holdRows(under, damaged);
    other.begin(false);
    other.remove('a');
    other.put('d', hold('d'));
    other.end();
    holds.begin(false);
    expect([holds.get('a'), holds.get('d')?.id, holds.doesExist('b')]).toEqual([undefined, 'd', true]);
    holds.end();
  });

  test('a store of version 3 had one hold an entry', () => {
    const { under, holds, commit, stored } = setUp();
    under.rows.set('old', JSON.stringify(hold('old')));
    commit(() => put(holds, 'new'));
    expect(stored()).toEqual(['new', 'old']);
    commit(() => holds.remove('old'));
    expect(stored()).toEqual(['new']);
  });

  test('pages of a range, by id; changes outside of a commit and damaged rows are refused', () => {
    const { under, holds, commit } = setUp();
    commit(() => put(holds, 'c', 'a', 'b'));
    expect([...holds.getKeys({ limit: 2 })]).toEqual(['a', 'b']);
    expect([...holds.getKeys({ start: 'b', exclusiveStart: true })]).toEqual(['c']);
    expect(() => holds.put('d', hold('d'))).toThrow('inside a commit');
    under.rows.set('c', (under.rows.get('c') ?? '').replace('"price":1', '"price":0'));
    expect(() => holdRows(under, damaged).get('c')).toThrow('damaged');
  });
});
