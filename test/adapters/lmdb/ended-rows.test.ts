import { expect, test } from 'vitest';
import { endedRows } from '../../../src/adapters/lmdb/ended-rows.ts';
import type { Ended } from '../../../src/adapters/lmdb/reservation.ts';

const settled: Ended = { state: 'settled', forgetAt: 1 };

function setUp() {
  const entries = new Map<string, Ended>();
  let reads = 0;
  const keys = (): string[] => [...entries.keys()].sort();
  const under = {
    get(id: string) {
      reads += 1;
      return entries.get(id);
    },
    doesExist: (id: string) => entries.has(id),
    put: (id: string, ended: Ended) => entries.set(id, ended),
    remove: (id: string) => entries.delete(id),
    getRange: () => keys().map((key) => ({ key, value: settled })),
    getKeys: (range: { reverse?: boolean; limit?: number }) => (range.reverse ? keys().reverse() : keys()).slice(0, range.limit),
  };
  return { ended: endedRows(under), entries, reads: () => reads };
}

test('an id behind all others is known to be none of them without a read; any other is looked up', () => {
  const { ended, entries, reads } = setUp();
  entries.set('m1', settled);
  ended.begin(false);
  expect([ended.get('m2'), ended.doesExist('m2'), reads()]).toEqual([undefined, false, 0]);
  expect([ended.get('m0'), ended.get('m1'), reads()]).toEqual([undefined, settled, 2]);
  ended.put('m3', settled);
  expect([ended.get('m2'), ended.get('m3'), ended.get('m4'), reads()]).toEqual([undefined, settled, undefined, 4]);
  expect(ended.end()).toBe(true);
});

test('what another process ended is found, whatever was remembered', () => {
  const { ended, entries } = setUp();
  ended.begin(false);
  expect(ended.get('x1')).toBeUndefined();
  ended.end();
  entries.set('x1', settled);
  ended.begin(false);
  expect(ended.get('x1')).toBe(settled);
  ended.end();
  ended.begin(true);
  expect([ended.get('x1'), ended.get('x2')]).toEqual([settled, undefined]);
  expect(ended.end()).toBe(false);
});

test('outside of a commit everything is looked up', () => {
  const { ended, entries } = setUp();
  ended.begin(false);
  ended.get('a');
  ended.end();
  entries.set('b', settled);
  expect([ended.get('b'), ended.doesExist('b')]).toEqual([settled, true]);
});
