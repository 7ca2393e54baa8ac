import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { createCommitMark } from '../../../src/adapters/lmdb/commit-mark.ts';
import { AheadCommits } from '../../../src/adapters/lmdb/commits-ahead.ts';
import { gathered } from '../../../src/adapters/lmdb/gathered.ts';
import { createRounds, NeedsTransaction } from '../../../src/adapters/lmdb/rounds.ts';
import type { Table } from '../../../src/adapters/lmdb/tables.ts';
import { fenceAhead, openWriteAhead } from '../../../src/adapters/lmdb/write-ahead.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A database of one table and notes, in memory, with transactions that come one at a time and may fail at their end. */
function database() {
  let entries = new Map<string, unknown>();
  const did = { commits: 0, fails: false };
  const table: Table<number, string> = {
    get: (key) => entries.get(key) as number | undefined,
    doesExist: (key) => entries.has(key),
    put: (key, value) => entries.set(key, value),
    remove: (key) => entries.delete(key),
    getRange: () => [],
    getKeys: () => [],
  };
  let last: Promise<unknown> = Promise.resolve();
  const transaction = (body: () => void): Promise<void> => {
    const mine = last.then(async () => {
      const before = new Map(entries);
      body();
      const { fails } = did;
      await new Promise((resolve) => setImmediate(resolve));
      if (fails) {
        entries = before;
        throw new Error('the disk is full');
      }
      did.commits += 1;
    });
    last = mine.catch(() => undefined);
    return mine;
  };
  const notes = { get: (name: string) => entries.get(name), put: (name: string, value: unknown) => entries.set(name, value) };
  return { table, notes, transaction, did };
}

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), 'keygate-ahead-'));
  folders.push(folder);
  const path = join(folder, 'ahead');
  const db = database();
  const mark = createCommitMark(db.notes);
  const file = openWriteAhead(path, (base) => mark.stored() === base);
  const fails = { before: false, after: false };
  const groups: number[] = [];
  const ahead = {
    ...file,
    async append(text: string) {
      groups.push(did.splice(0).length);
      if (fails.before) throw new Error('no such device');
      const said = await file.append(text);
      if (fails.after) throw new Error('no such device any more');
      return said;
    },
  };
  const busy = gathered(db.table);
  const rounds = createRounds({ tables: [busy], told: { b: busy }, mark, notes: db.notes, fence: file.texts, ahead: file.texts });
  const timers: (() => void)[] = [];
  const later = (_ms: number, act: () => void): void => {
    timers.push(act);
  };
  const commits = new AheadCommits({
    ...{ transaction: db.transaction, rounds, ahead, failed: (error) => error, later },
    clock: { monotonic: () => 0 },
  });
  /** Another process: its own memory, the same database. */
  const theirs = gathered(db.table);
  const others = createRounds({
    ...{ tables: [theirs], told: { b: theirs }, mark: createCommitMark(db.notes), notes: db.notes },
    fence: (base) => fenceAhead(path, base),
  });
  const did: number[] = [];
  const add = (table: typeof busy) => (): number => {
    const value = (table.get('n') ?? 0) + 1;
    table.put('n', value);
    did.push(value);
    return value;
  };
  return {
    ...{ db, busy, commits, rounds, fails, timers, groups },
    add: (options: { ahead?: boolean; patient?: boolean } = { ahead: true }) => commits.commit(add(busy), options),
    addElsewhere: () => db.transaction(() => void others.run(add(theirs))),
    close: async () => {
      await commits.finish();
      file.close();
    },
  };
}

test('acts are told before the database commits, all together with one commit later', async () => {
  const { add, db, commits, close } = setUp();
  // The first commit leaves the mark that others go on from.
  await add({});
  expect(db.did.commits).toBe(1);
  expect(await Promise.all([add(), add(), add()])).toEqual([2, 3, 4]);
  expect(await add()).toBe(5);
  expect([db.did.commits, db.table.get('n')]).toEqual([1, 1]);
  await commits.catchUp();
  expect([db.did.commits, db.table.get('n')]).toEqual([2, 5]);
  await close();
});

test('a round ends when nobody came for a while, and when it has gone on for long', async () => {
  const { add, db, timers, commits, close } = setUp();
  await add({});
  await add();
  // A tick in which something was done goes on; one in which nothing was done is the last.
  expect(timers.length).toBe(1);
  await add();
  timers.shift()?.();
  expect([timers.length, db.did.commits]).toEqual([1, 1]);
  timers.shift()?.();
  await commits.readable();
  expect([timers.length, db.did.commits, db.table.get('n')]).toEqual([0, 2, 3]);
  for (let tick = 0; tick < 5; tick += 1) {
    await add();
    timers.shift()?.();
  }
  await commits.readable();
  expect(db.did.commits).toBe(3);
  await close();
});

test('an act that needs a transaction ends the round and is told when that is committed, one that finds out late is done anew', async () => {
  const { add, db, rounds, commits, busy, close } = setUp();
  await add({});
  const told: string[] = [];
  const first = add().then(() => told.push(`ahead ${db.did.commits}`));
  await first;
  await add({}).then(() => told.push(`in a transaction ${db.did.commits}`));
  let tries = 0;
  const late = commits.commit(
    () => {
      tries += 1;
      rounds.aside();
      busy.put('late', 1);
    },
    { ahead: true },
  );
  await late.then(() => told.push(`late ${db.did.commits}, tries ${tries}`));
  expect(told).toEqual(['ahead 1', 'in a transaction 2', 'late 3, tries 2']);
  expect([db.table.get('n'), db.table.get('late')]).toEqual([3, 1]);
  expect(() => rounds.aside()).not.toThrow(NeedsTransaction);
  await close();
});

test('an act for which nobody waits goes with the next group, or after a moment', async () => {
  const { add, timers, commits, close } = setUp();
  await add({});
  let told = false;
  const patient = add({ ahead: true, patient: true }).then(() => {
    told = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toBe(false);
  // The tick of the round, and the moment.
  expect(timers.length).toBe(2);
  timers.pop()?.();
  await patient;
  await commits.catchUp();
  await close();
});

/** What may happen between acts. */
const happenings = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('act', 'act', 'patient', 'in a transaction') },
    { weight: 3, arbitrary: fc.constantFrom('another process', 'a turn', 'a timer') },
    { weight: 2, arbitrary: fc.constantFrom('the database fails', 'the file fails', 'the file fails late', 'all is well') },
  ),
  { maxLength: 60 },
);

test('acts are done when their group is written, so many at most that the process is not held up for long', async () => {
  const { add, busy, commits, groups, close } = setUp();
  await add({});
  await add();
  const acts = Array.from({ length: 600 }, () => add());
  expect([busy.get('n'), groups.length]).toEqual([2, 1]);
  expect((await Promise.all(acts)).at(-1)).toBe(602);
  expect(groups.slice(1)).toEqual([512, 88]);
  // Those that change nothing make no group, and none of them is forgotten either.
  const looks = Array.from({ length: 600 }, () => commits.commit(() => busy.get('n'), { ahead: true }));
  expect(new Set(await Promise.all(looks))).toEqual(new Set([602]));
  expect(groups.length).toBe(3);
  await close();
});

test('whatever fails and whoever commits beside it: what was told is there, and what was told to have failed is not (I1, I2)', async () => {
  await fc.assert(
    fc.asyncProperty(happenings, async (all) => {
      const { add, addElsewhere, db, fails, timers, commits, close } = setUp();
      await add({});
      let kept = 1;
      const acts: Promise<unknown>[] = [];
      const count = (act: Promise<unknown>): void => {
        acts.push(
          act.then(
            () => {
              kept += 1;
            },
            () => undefined,
          ),
        );
      };
      for (const each of all) {
        if (each === 'act') count(add());
        else if (each === 'patient') count(add({ ahead: true, patient: true }));
        else if (each === 'in a transaction') count(add({}));
        else if (each === 'another process') count(addElsewhere());
        else if (each === 'a turn') await new Promise((resolve) => setImmediate(resolve));
        else if (each === 'a timer') timers.shift()?.();
        else {
          db.did.fails = each === 'the database fails';
          fails.before = each === 'the file fails';
          fails.after = each === 'the file fails late';
        }
      }
      await commits.catchUp();
      while (timers.length > 0) timers.shift()?.();
      await commits.finish();
      db.did.fails = false;
      fails.before = false;
      fails.after = false;
      await Promise.all(acts);
      await add({});
      expect(db.table.get('n')).toBe(kept + 1);
      await close();
    }),
    { numRuns: 300 },
  );
}, 60_000);
