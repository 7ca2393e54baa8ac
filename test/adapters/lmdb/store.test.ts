import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/lmdb/store.ts';
import { createCalendar } from '../../../src/domain/calendar.ts';
import { rootOf } from '../../../src/domain/key.ts';
import { verifyLines } from '../../../src/domain/verify-journal.ts';
import { admitRequest, linesOf, micros, minute, start, steppedClock, testKey, testSigner, testThresholds } from '../../ports/subject.ts';
import { mintCaller, runCaller } from './calling.ts';
import { openIn, temporaryFolder } from './open.ts';

let outer: string;
let folder: string;
beforeEach(() => {
  outer = temporaryFolder();
  folder = join(outer, 'var');
});
afterEach(() => rmSync(outer, { recursive: true }));

const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
const by = { via: 'cli' } as const;
const thresholds = () => testThresholds;

test('the folder and its files are for their owner only', async () => {
  await (await openIn(folder)).close();
  expect([folder, join(folder, 'store')].map(mode)).toEqual(['700', '700']);
  const files = ['checkpoints.jsonl', ...readdirSync(join(folder, 'store')).map((name) => join('store', name))];
  expect(files.length).toBe(3);
  expect(files.map((name) => mode(join(folder, name)))).toEqual(['600', '600', '600']);
});

test('everything is there after closing and opening, and the file grows by itself', async () => {
  const clock = steppedClock();
  const signer = testSigner();
  const life = (instance: string) => openStore({ folder, clock, calendar: createCalendar(), signer, instance, serving: true, thresholds });
  const first = await life('one');
  const key = testKey('AAAAAAAA', { budgets: [{ amount: micros(100), per: 'month', zone: 'Europe/Berlin' }] });
  await first.keyring.insert(key, by);
  await first.ledger.admit(admitRequest(key, { reservationId: 'r1', price: micros(5) }));
  await Promise.all(Array.from({ length: 2000 }, (_, n) => first.ledger.record({ kind: 'call.refused', fact: `${n}`.repeat(1000) })));
  const checkpoints = await first.journal.checkpoint(start);
  const head = await first.journal.head();
  await first.close();
  expect(statSync(join(folder, 'store', 'data.mdb')).size).toBeGreaterThan(4_000_000);
  const second = await life('two');
  expect(await second.keyring.get('AAAAAAAA')).toEqual(key);
  expect(await second.journal.checkpoints()).toEqual(checkpoints);
  const [usage] = await second.ledger.usage({ key, ancestors: [], now: start });
  // The hold of the life before has nobody left to settle it.
  expect(usage).toMatchObject({ spent: 5, held: 0, resetAt: Date.parse('2026-08-01T00:00:00+02:00') });
  expect(await second.journal.head()).toBe(head + 1);
  await second.close();
});

test('pages that were freed are used again, however many there are', async () => {
  const clock = steppedClock();
  const store = await openIn(folder, { clock, serving: true });
  const size = (): number => statSync(join(folder, 'store', 'data.mdb')).size;
  const fill = async (): Promise<void> => {
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(Array.from({ length: 100 }, () => store.ledger.record({ kind: 'call.refused', fact: 'x'.repeat(4000) })));
    }
  };
  await fill();
  const full = size();
  clock.step(minute);
  await store.journal.prune({ before: clock.now(), now: clock.now() });
  await fill();
  expect(full).toBeGreaterThan(15_000_000);
  expect(size()).toBeLessThan(1.2 * full);
  await store.close();
});

describe('one gateway', () => {
  test('a second life in the same process is refused until the first has closed', async () => {
    const first = await openIn(folder, { instance: 'one', serving: true });
    const beside = await openIn(folder, { instance: 'two' });
    await first.claimGateway();
    await expect(beside.claimGateway()).rejects.toThrow(`Another gateway (process ${process.pid}) is serving from this store`);
    await expect(openIn(folder, { instance: 'three', serving: true })).rejects.toThrow('Another gateway');
    await first.close();
    await beside.claimGateway();
    await beside.close();
  });

  test('another process that lives holds the store; one that was killed does not', async () => {
    const seed = await openIn(folder);
    await mintCaller(seed, 10);
    await seed.close();
    const calls = runCaller({ folder, serving: true, calls: 1_000_000, prefix: 'gate', killAfter: 2000 });
    await untilHeld(folder);
    await expect(openIn(folder, { instance: 'late', serving: true })).rejects.toThrow('Another gateway');
    const cli = await openIn(folder, { instance: 'cli' });
    await cli.keyring.insert(testKey('BBBBBBBB'), by);
    await cli.close();
    expect((await calls).signal).toBe('SIGKILL');
    const next = await openIn(folder, { instance: 'next', serving: true });
    expect(await next.keyring.get('BBBBBBBB')).toBeDefined();
    await next.close();
  });

  test.each([
    ['the machine was booted since', { bootId: 'another boot' }],
    ['the process id belongs to a later process', { startTicks: '1' }],
    ['the process is gone', { pid: 2 ** 22 + 1 }],
  ])('a claim does not hold where %s', async (_why, changes) => {
    const first = await openIn(folder, { instance: 'one', serving: true });
    await first.close();
    await inside(folder, (meta) => meta.put('gateway', { ...claimOf(process.pid), instance: 'gone', ...changes }));
    await (await openIn(folder, { instance: 'two', serving: true })).close();
    await inside(folder, (meta) => meta.put('gateway', { ...claimOf(process.pid), instance: 'alive' }));
    await expect(openIn(folder, { instance: 'two', serving: true })).rejects.toThrow('Another gateway');
  });
});

test('a fingerprint that differs is refused, in later lives too', async () => {
  const first = await openIn(folder);
  await first.fingerprint('pepper', 'aaaa');
  await first.fingerprint('seal', 'bbbb');
  await first.fingerprint('pepper', 'aaaa');
  await first.close();
  const second = await openIn(folder);
  await expect(second.fingerprint('pepper', 'bbbb')).rejects.toThrow('The pepper configured is not the one');
  await second.fingerprint('pepper', 'aaaa');
  await second.close();
});

test.each([2, 3, 4])('a store of version %i is taken over as it is', async (version) => {
  await (await openIn(folder)).close();
  await inside(folder, (meta) => meta.put('schema', version));
  const store = await openIn(folder);
  expect(await store.pins.of('wiki')).toEqual([]);
  await store.close();
});

test('what a store of version 4 remembers of ended reservations still counts, and is forgotten in its time', async () => {
  const store = await openIn(folder);
  const key = testKey('AAAAAAAA', { budgets: [{ amount: micros(100), per: 'total', zone: 'UTC' }] });
  await store.keyring.insert(key, by);
  await store.close();
  const forgetAt = start + 15 * minute;
  await changeTables(folder, (table) => {
    for (const id of ['r1', 'r2', 'r3']) table('ended').put(id, { state: 'settled', forgetAt });
    table('due').put([forgetAt, 'ended', 'r1'], ['r2', 'r3']);
    table('meta').put('schema', 4);
  });
  const clock = steppedClock();
  const taken = await openIn(folder, { clock, serving: true });
  const settle = (id: string) =>
    taken.ledger.settle({ root: rootOf(key), reservationId: id, charge: micros(0), now: clock.now(), outcome: { kind: 'call.outcome' } });
  for (const id of ['r1', 'r2', 'r3']) await settle(id);
  expect(await taken.ledger.admit(admitRequest(key, { reservationId: 'r2', price: micros(5) }))).toMatchObject({ kind: 'admitted' });
  const [usage] = await taken.ledger.usage({ key, ancestors: [], now: start });
  expect(usage).toMatchObject({ spent: 0, held: 0 });
  clock.step(15 * minute);
  await taken.ledger.sweep({ now: clock.now() });
  for (const id of ['r1', 'r2', 'r3']) await expect(settle(id)).rejects.toThrow('never admitted');
  await taken.close();
});

test.each([
  { who: 'a gateway that is alone', options: { serving: true }, isAhead: true },
  { who: 'one of several processes', options: { serving: true, alone: false }, isAhead: false },
  { who: 'the command line', options: {}, isAhead: false },
])('what changes goes ahead of the commit for $who: $isAhead', async ({ options, isAhead }) => {
  const store = await openIn(folder, options);
  await mintCaller(store, 10);
  await store.ledger.record({ kind: 'call.refused', requestId: 'told-ahead' });
  const file = join(folder, 'store', 'ahead');
  expect(existsSync(file) && readFileSync(file).includes('told-ahead')).toBe(isAhead);
  expect(await store.journal.head()).toBe(2);
  await store.close();
});

test('a store is closed once, however often that is asked for', async () => {
  const store = await openIn(folder, { serving: true });
  await store.ledger.record({ kind: 'call.refused' });
  await Promise.all([store.close(), store.close()]);
  await store.close();
  const again = await openIn(folder);
  expect(await again.journal.head()).toBe(1);
  await again.close();
});

test('a file ahead that cannot be made is told as what it is, and no damage', async () => {
  mkdirSync(join(folder, 'store', 'ahead'), { recursive: true });
  await expect(openIn(folder, { serving: true })).rejects.toThrow(/The store in .* cannot be opened: EISDIR/);
  rmSync(join(folder, 'store', 'ahead'), { recursive: true });
  await (await openIn(folder, { serving: true })).close();
});

test.each([1, 7])('a store of schema %i is refused', async (schema) => {
  await (await openIn(folder)).close();
  await inside(folder, (meta) => meta.put('schema', schema));
  await expect(openIn(folder)).rejects.toThrow(`schema version ${schema}; this build reads 6`);
});

test('a change by another process is seen here within a second', async () => {
  const store = await openIn(folder);
  await mintCaller(store, 10);
  const epoch = store.keyring.epoch();
  const script = `import { openIn } from ${JSON.stringify(new URL('open.ts', import.meta.url).href)};
    const store = await openIn(${JSON.stringify(folder)}, { instance: 'cli' });
    await store.keyring.revoke('CALLER00', { reason: 'leaked', at: ${start}, by: { via: 'cli' } });
    await store.close();`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' });
  await once(child, 'close');
  await expect.poll(() => store.keyring.epoch(), { timeout: 1000, interval: 1 }).not.toBe(epoch);
  expect(await store.keyring.get('CALLER00')).toMatchObject({ revokedReason: 'leaked' });
  await store.close();
});

describe('the manifest of checkpoints', () => {
  test('a line that a crash cut short is skipped and does not spoil the next', async () => {
    const store = await openIn(folder);
    await store.ledger.record({ kind: 'call.refused' });
    const [one] = await store.journal.checkpoint(start);
    appendFileSync(join(folder, 'checkpoints.jsonl'), '{"partition":"main","seq":2,"ha');
    await store.ledger.record({ kind: 'call.refused' });
    const [two] = await store.journal.checkpoint(start);
    expect(await store.journal.checkpoints()).toEqual([one, two]);
    expect(readFileSync(join(folder, 'checkpoints.jsonl'), 'utf8').trimEnd().split('\n')).toHaveLength(3);
    await store.close();
  });

  test('a database put back to an older state is found, because the manifest stayed', async () => {
    const signer = testSigner();
    const clock = steppedClock();
    const life = () => openStore({ folder, clock, calendar: createCalendar(), signer, instance: 'x', serving: false, thresholds });
    const first = await life();
    await first.ledger.record({ kind: 'call.refused' });
    await first.close();
    const older = readFileSync(join(folder, 'store', 'data.mdb'));
    const second = await life();
    for (let n = 0; n < 5; n += 1) await second.ledger.record({ kind: 'call.refused' });
    await second.journal.checkpoint(start + minute);
    await second.close();
    writeFileSync(join(folder, 'store', 'data.mdb'), older);
    const third = await life();
    const lines = await linesOf(third.journal);
    const report = verifyLines(lines, { checkpoints: await third.journal.checkpoints(), publicKeys: signer.publicKeys });
    expect(report.faults).toEqual([{ partition: 'main', seq: 6, problem: expect.stringContaining('tail is missing') }]);
    await third.close();
  });
});

/** Changes the store's own notes behind its back. */
interface Puts {
  put(name: unknown, value: unknown): unknown;
}

function inside(store: string, change: (meta: Puts) => unknown): Promise<void> {
  return changeTables(store, (table) => change(table('meta')));
}

async function changeTables(store: string, change: (table: (name: string) => Puts) => unknown): Promise<void> {
  const root = open({ path: join(store, 'store'), noSubdir: false, maxDbs: 24, overlappingSync: false });
  await root.transaction(() => void change((name) => root.openDB<unknown, never>({ name, encoding: 'json' }) as Puts));
  await root.close();
}

function claimOf(pid: number): { pid: number; startTicks: string; bootId: string } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  return { pid, startTicks, bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() };
}

async function untilHeld(store: string): Promise<void> {
  const beside = await openIn(store, { instance: 'watcher' });
  await expect.poll(() => beside.journal.head(), { timeout: 10_000, interval: 5 }).toBeGreaterThan(20);
  await beside.close();
}
