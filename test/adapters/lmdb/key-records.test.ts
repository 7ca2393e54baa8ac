import { expect, test } from 'vitest';
import { createKeyRecords } from '../../../src/adapters/lmdb/key-records.ts';
import type { KeyRecord } from '../../../src/domain/key.ts';
import { testKey } from '../../ports/subject.ts';

type Keys = Parameters<typeof createKeyRecords>[0];

function setUp() {
  const entries = new Map<string, KeyRecord>();
  let reads = 0;
  const under = {
    get: (id: string) => entries.get(id),
    doesExist: (id: string) => entries.has(id),
    put: (id: string, record: KeyRecord) => entries.set(id, record),
    remove: (id: string) => entries.delete(id),
    getRange: () => [],
    getKeys: () => [],
    getBinaryFast(id: string) {
      reads += 1;
      const record = entries.get(id);
      return record && Buffer.from(JSON.stringify(record));
    },
  } as unknown as Keys;
  const keys = createKeyRecords(under);
  const commit = <T>(kept: boolean, act: () => T): T => {
    keys.begin(kept);
    try {
      return act();
    } finally {
      keys.end();
    }
  };
  return { keys, entries, commit, reads: () => reads };
}

const revision = (revision: number): KeyRecord => ({ ...testKey('A'), revision });

test('a record whose bytes are the same is parsed once, and any other bytes are seen', () => {
  const { keys, entries, reads } = setUp();
  entries.set('A', revision(1));
  const first = keys.read('A');
  expect([keys.read('A') === first, reads()]).toEqual([true, 2]);
  entries.set('A', revision(2));
  expect(keys.read('A')?.revision).toBe(2);
  entries.delete('A');
  expect(keys.read('A')).toBeUndefined();
});

test('commits read a record once for as long as nobody else commits', () => {
  const { keys, entries, commit, reads } = setUp();
  entries.set('A', revision(1));
  for (let time = 0; time < 5; time += 1) expect(commit(time > 0, () => keys.read('A'))?.revision).toBe(1);
  expect(reads()).toBe(1);
  // Another process.
  entries.set('A', revision(2));
  expect(commit(false, () => keys.read('A'))?.revision).toBe(2);
  entries.delete('A');
  expect(commit(false, () => keys.read('A'))).toBeUndefined();
});

test('what is read outside of a commit is not what a commit goes by', () => {
  const { keys, entries, commit } = setUp();
  entries.set('A', revision(1));
  commit(false, () => keys.read('A'));
  keys.read('A');
  entries.set('B', { ...revision(1), id: 'B' });
  keys.read('B');
  // B changed before the next commit began; nobody told, since no commit had read it.
  entries.set('B', { ...revision(2), id: 'B' });
  expect(commit(true, () => keys.read('B'))?.revision).toBe(2);
});

test('a commit sees what it wrote itself, and so do the next ones', () => {
  const { keys, entries, commit } = setUp();
  entries.set('A', revision(1));
  const seen = commit(false, () => {
    const before = keys.read('A')?.revision;
    keys.put('A', revision(2));
    return [before, keys.read('A')?.revision];
  });
  expect(seen).toEqual([1, 2]);
  expect(commit(true, () => keys.read('A'))?.revision).toBe(2);
  expect(
    commit(true, () => {
      keys.remove('A');
      return keys.read('A');
    }),
  ).toBeUndefined();
});

test('a commit that wrote a key says so', () => {
  const { keys } = setUp();
  keys.begin(false);
  keys.put('A', revision(1));
  expect(keys.end()).toBe(true);
  keys.begin(true);
  expect(keys.end()).toBe(false);
});
