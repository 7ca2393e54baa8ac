import { describe, expect, test } from 'vitest';
import { createCommitMark } from '../../../src/adapters/lmdb/commit-mark.ts';
import { commitActsMax, createCommits } from '../../../src/adapters/lmdb/commits.ts';
import { gathered } from '../../../src/adapters/lmdb/gathered.ts';
import { createRounds } from '../../../src/adapters/lmdb/rounds.ts';
import type { Table } from '../../../src/adapters/lmdb/tables.ts';

/** A table in memory that tells what was done to it. */
function counting(): { table: Table<number, string>; did: string[] } {
  const entries = new Map<string, number>();
  const did: string[] = [];
  const tell = <T>(what: string, value: T): T => {
    did.push(what);
    return value;
  };
  const table: Table<number, string> = {
    get: (key) => tell(`get ${key}`, entries.get(key)),
    doesExist: (key) => tell(`has ${key}`, entries.has(key)),
    put: (key, value) => tell(`put ${key} ${value}`, entries.set(key, value)),
    remove: (key) => tell(`remove ${key}`, entries.delete(key)),
    getRange: () =>
      tell(
        'range',
        [...entries].map(([key, value]) => ({ key, value })),
      ),
    getKeys: () => tell('keys', [...entries.keys()]),
  };
  return { table, did };
}

/** Transactions that begin a turn later, as those of a database do. */
function setUp(
  transaction: (body: () => void) => Promise<unknown> = async (body) => Promise.resolve().then(body),
  tookMs = 0,
  later?: (ms: number, act: () => void) => void,
) {
  const { table, did } = counting();
  const busy = gathered(table);
  const notes = new Map<string, unknown>();
  const mark = createCommitMark({ get: (name) => notes.get(name), put: (name, value) => notes.set(name, value) });
  let transactions = 0;
  let time = 0;
  const lingered: number[] = [];
  const commit = createCommits({
    transaction: (body) => {
      transactions += 1;
      return transaction(body);
    },
    gather: createRounds({ tables: [busy], told: {}, mark, notes: { get: () => undefined, put: () => undefined }, fence: () => [] }).run,
    failed: async (error) => error,
    clock: { monotonic: () => (time += tookMs) },
    later:
      later ??
      ((ms, act) => {
        lingered.push(ms);
        queueMicrotask(act);
      }),
  });
  const add = (key: string) => commit(() => busy.put(key, (busy.get(key) ?? 0) + 1));
  return { busy, did, commit, add, notes, lingered, transactions: () => transactions };
}

describe('acts that share a commit', () => {
  test('all that have come by its beginning, in their order, with one read and one write of each entry', async () => {
    const { add, did, transactions, busy } = setUp();
    await Promise.all([add('a'), add('b'), add('a'), add('a')]);
    expect(transactions()).toBe(1);
    expect(did).toEqual(['get a', 'get b', 'put a 3', 'put b 1']);
    await add('a');
    expect(transactions()).toBe(2);
    expect(busy.get('a')).toBe(4);
  });

  test.each([
    { took: 'no time', tookMs: 0.4, lingered: [] },
    { took: 'a while', tookMs: 1.4, lingered: [1] },
    { took: 'long', tookMs: 30, lingered: [2] },
  ])('where many call, the next commit waits for others as long as the last one took ($took), but not for long', async (given) => {
    const { add, commit, lingered, transactions } = setUp(undefined, given.tookMs);
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
    // Seven that somebody waits for; those of whom nobody hears do not count.
    await Promise.all([...names.slice(1).map(add), commit(() => 0, { patient: true }), commit(() => 0, { patient: true })]);
    await add('a');
    expect(lingered).toEqual([]);
    await Promise.all(names.map(add));
    await Promise.all(['a', 'b'].map(add));
    expect(lingered).toEqual(given.lingered);
    expect(transactions()).toBe(4);
    // Few have called since, so nobody waits any more.
    await add('a');
    expect(lingered).toEqual(given.lingered);
  });

  test('an act that may wait shares the commit of the next one that may not', async () => {
    const later: (() => void)[] = [];
    const { commit, transactions } = setUp(undefined, 0, (_ms, act) => later.push(act));
    const order: string[] = [];
    const patient = [1, 2].map((nth) => commit(() => order.push(`patient ${nth}`), { patient: true }));
    await Promise.resolve();
    expect([later.length, transactions()]).toEqual([1, 0]);
    await Promise.all([commit(() => order.push('at once')), ...patient]);
    expect(order).toEqual(['patient 1', 'patient 2', 'at once']);
    expect(transactions()).toBe(1);
    // The time that was set finds nobody any more.
    later[0]?.();
    expect(transactions()).toBe(1);
  });

  test('an act that may wait does not wait for ever', async () => {
    const { commit, lingered, transactions } = setUp();
    await Promise.all([commit(() => 1, { patient: true }), commit(() => 2, { patient: true })]);
    expect(lingered).toEqual([5]);
    expect(transactions()).toBe(1);
    await commit(() => 3, { patient: true });
    expect(lingered).toEqual([5, 5]);
  });

  test('one that throws tells its own caller, and the others go on', async () => {
    const { add, commit } = setUp();
    const ends = await Promise.allSettled([
      add('a'),
      commit(() => {
        throw new Error('before its first write');
      }),
      add('a'),
      commit(() => 7),
    ]);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect(ends[3]).toMatchObject({ value: 7 });
  });

  test('a commit that fails tells every one of them, and those after it are tried anew', async () => {
    let fails = true;
    const { add } = setUp(async (body) => {
      await Promise.resolve();
      body();
      if (fails) throw new Error('the disk is full');
    });
    const ends = await Promise.allSettled([add('a'), add('a')]);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    fails = false;
    await expect(add('a')).resolves.toBeUndefined();
  });

  test('a transaction that cannot even begin leaves nobody waiting', async () => {
    const { add } = setUp(async () => {
      throw new Error('the store is closed');
    });
    const ends = await Promise.allSettled([add('a'), add('b')]);
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  test('entries are remembered from one commit to the next, for as long as nobody else commits', async () => {
    const { add, did, notes } = setUp();
    await add('a');
    await add('a');
    expect(did).toEqual(['get a', 'put a 1', 'put a 2']);
    // As another process does.
    notes.set('last commit', 'theirs');
    await add('a');
    expect(did.slice(3)).toEqual(['get a', 'put a 3']);
  });

  test('a commit that wrote nothing leaves what is remembered as it was, here and elsewhere', async () => {
    const { add, commit, did, notes } = setUp();
    await add('a');
    const before = notes.get('last commit');
    await commit(() => undefined);
    expect(notes.get('last commit')).toBe(before);
    await add('a');
    expect(did).toEqual(['get a', 'put a 1', 'put a 2']);
  });

  test('after a commit that was not kept everything is read anew', async () => {
    let kept = true;
    const { add, did, notes } = setUp(async (body) => {
      await Promise.resolve();
      const before = new Map(notes);
      body();
      if (kept) return;
      for (const [name, value] of before) notes.set(name, value);
      throw new Error('the disk is full');
    });
    await add('a');
    kept = false;
    await add('a').catch(() => undefined);
    kept = true;
    await add('a');
    expect(did.filter((what) => what === 'get a')).toHaveLength(2);
  });

  test('after a fault in the middle of the writes everything is read anew', async () => {
    const { add, busy, did } = setUp();
    await add('a');
    const { end } = busy;
    Object.assign(busy, {
      end: () => {
        end();
        throw new Error('half-way');
      },
    });
    await expect(add('a')).rejects.toThrow('half-way');
    Object.assign(busy, { end });
    await add('a');
    expect(did.filter((what) => what === 'get a')).toHaveLength(2);
  });

  test('no more than the bound share one, and the next one is asked for outside of it', async () => {
    let inside = false;
    const { commit, transactions } = setUp(async (body) => {
      // LMDB's own may make it a part of the one around it.
      expect(inside).toBe(false);
      await Promise.resolve();
      inside = true;
      body();
      inside = false;
    });
    const order: number[] = [];
    await Promise.all(Array.from({ length: 2 * commitActsMax + 1 }, (_, at) => commit(() => order.push(at))));
    expect(transactions()).toBe(3);
    expect(order).toEqual([...order].sort((one, other) => one - other));
  });
});

describe('a table whose writes are gathered', () => {
  test('reads within the commit see what was written in it, ranges too', () => {
    const { table, did } = counting();
    const busy = gathered(table);
    busy.begin(false);
    busy.put('a', 1);
    busy.put('b', 2);
    busy.remove('a');
    expect([busy.get('a'), busy.doesExist('a'), busy.get('b'), busy.doesExist('b')]).toEqual([undefined, false, 2, true]);
    expect(did).toEqual([]);
    expect([...busy.getRange({})]).toEqual([{ key: 'b', value: 2 }]);
    busy.end();
    expect(did).toEqual(['remove a', 'put b 2', 'range']);
  });

  test('outside of a commit it is the table itself, and nothing is remembered', () => {
    const { table, did } = counting();
    const busy = gathered(table);
    busy.put('a', 1);
    busy.begin(false);
    expect(busy.get('a')).toBe(1);
    busy.end();
    table.put('a', 5);
    expect(busy.get('a')).toBe(5);
    busy.begin(false);
    expect(busy.get('a')).toBe(5);
    busy.end();
    expect(did.filter((what) => what === 'get a')).toHaveLength(3);
  });
});
