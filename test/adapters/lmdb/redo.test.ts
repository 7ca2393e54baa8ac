import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endedRows } from '../../../src/adapters/lmdb/ended-rows.ts';
import { type Gathering, gathered, type Redoable } from '../../../src/adapters/lmdb/gathered.ts';
import { holdRows } from '../../../src/adapters/lmdb/hold-rows.ts';
import { journalRows } from '../../../src/adapters/lmdb/journal-rows.ts';
import type { Hold } from '../../../src/adapters/lmdb/reservation.ts';
import type { Range } from '../../../src/adapters/lmdb/tables.ts';

/** What each table is kept in: ordered, in memory. */
function database<V>() {
  const entries = new Map<string | number, V>();
  const keys = ({ start, end, reverse = false, limit = Number.POSITIVE_INFINITY }: Range & { reverse?: boolean }) => {
    const from = start as string | number | undefined;
    const until = end as string | number | undefined;
    const all = [...entries.keys()].sort((one, other) => (one < other ? -1 : 1));
    const within = all.filter(
      (key) => (from === undefined || (reverse ? key <= from : key >= from)) && (until === undefined || key < until),
    );
    return (reverse ? within.reverse() : within).slice(0, limit);
  };
  return {
    entries,
    get: (key: string | number) => entries.get(key),
    doesExist: (key: string | number) => entries.has(key),
    put: (key: string | number, value: V) => void entries.set(key, value),
    remove: (key: string | number) => void entries.delete(key),
    getRange: (range: Range & { reverse?: boolean }) => keys(range).map((key) => ({ key, value: entries.get(key) as V })),
    getKeys: (range: Range & { reverse?: boolean }) => keys(range),
  };
}

const failing = (problem: string) => new Error(problem);
const hold = (id: string, price: number): Hold => ({ id, owner: 'me', keyId: 'k', until: 9, price, takings: [], intentAt: 1 });

/** A change by a number: what it is done to, and how. */
type Change = readonly [id: string, number: number];

interface Kind {
  readonly name: string;
  make(): { table: Gathering & Redoable; do(change: Change, at: number): void; kept(): unknown };
}

const kinds: readonly Kind[] = [
  {
    name: 'entries',
    make() {
      const under = database<number>();
      const table = gathered(under as never);
      return { table, do: ([id, number]) => (number % 3 === 0 ? table.remove(id) : table.put(id, number)), kept: () => under.entries };
    },
  },
  {
    name: 'holds',
    make() {
      const under = database<string>();
      const table = holdRows(under as never, failing);
      return {
        table,
        do: ([id, number]) => (number % 3 === 0 ? table.remove(id) : table.put(id, hold(id, number))),
        // Which of them share a row depends on what else went on.
        kept: () => [...table.getRange({})].map(({ value }) => value),
      };
    },
  },
  {
    name: 'ended reservations',
    make() {
      const under = database<never>();
      const table = endedRows(under as never, { due: { put: () => undefined } });
      return {
        table,
        do([id, number]) {
          table.put(
            id,
            number % 2 === 0 ? { state: 'settled', forgetAt: number } : { state: 'refused', answer: { kind: 'stale' }, forgetAt: number },
          );
        },
        kept: () => under.entries,
      };
    },
  },
  {
    name: 'records',
    make() {
      const under = database<string>();
      const table = journalRows(under as never, { damaged: failing });
      return { table, do: ([id], at) => table.put(at, JSON.stringify({ id })), kept: () => [...table.getRange({})] };
    },
  },
];

test.each(kinds)('what is told of $name, in any number of groups, makes the same anew, whatever their ids are', ({ make }) => {
  const change = fc.tuple(fc.oneof(fc.constantFrom('a', 'b', 'a\nb', '-', '"'), fc.string({ minLength: 1 })), fc.nat(9));
  fc.assert(
    fc.property(fc.array(fc.array(change)), (groups) => {
      const [first, second] = [make(), make()];
      first.table.begin(false);
      second.table.begin(false);
      let at = 0;
      for (const group of groups) {
        for (const each of group) {
          at += 1;
          first.do(each, at);
        }
        const lines = first.table.redo();
        expect(lines.filter((line) => line.includes('\n'))).toEqual([]);
        expect(first.table.redo()).toEqual([]);
        for (const line of lines) second.table.replay(line);
      }
      const [one, other] = [first.table.end(), second.table.end()];
      expect(other).toBe(one);
      expect(second.kept()).toEqual(first.kept());
    }),
  );
});
