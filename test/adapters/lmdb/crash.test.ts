import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openEnvironment } from '../../../src/adapters/lmdb/environment.ts';
import { steppedClock } from '../../ports/subject.ts';
import { accountsOf, idsSaid, mintCaller, runCaller } from './calling.ts';
import { openIn, temporaryFolder } from './open.ts';

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true }));

const budget = 3000;

test('a gateway killed at five points: nothing acknowledged is lost, nothing is spent twice, the journal holds (I1, I2, I8)', async () => {
  const first = await openIn(folder);
  await mintCaller(first, budget);
  await first.close();
  const acknowledged: string[] = [];
  const settled: string[] = [];
  // Points in the caller's life, spread without a pattern; a kill lands wherever the process is by then.
  for (const [round, killAfter] of [7, 61, 178, 333, 524].entries()) {
    const { lines, signal } = await runCaller({ folder, serving: true, calls: 100_000, prefix: `life${round}`, killAfter });
    expect(signal).toBe('SIGKILL');
    acknowledged.push(...idsSaid(lines, 'admitted'));
    settled.push(...idsSaid(lines, 'settled'));

    const beside = await openIn(folder, { instance: `reader${round}` });
    const before = await accountsOf(beside);
    expect(before.spent + before.held).toBeLessThanOrEqual(budget);
    expect(before.held).toBeGreaterThan(0);
    await beside.close();

    const serving = await openIn(folder, { instance: `restart${round}`, serving: true });
    const after = await accountsOf(serving);
    expect(after.journal).toMatchObject({ ok: true });
    expect(after.held).toBe(0);
    expect(after.spent).toBe(before.spent + before.held);
    expect(after.charged).toBe(after.spent);
    expect(acknowledged.filter((id) => !after.admitted.has(id))).toEqual([]);
    await serving.close();
  }
  expect(acknowledged.length).toBeGreaterThan(300);
  expect(settled.length).toBeGreaterThan(100);
}, 60_000);

test('a full disk refuses calls, loses nothing acknowledged and does not end the process', async () => {
  const first = await openIn(folder);
  await mintCaller(first, 1_000_000_000);
  await first.close();
  const { lines, signal, code } = await runCaller({ folder, serving: true, calls: 3000, prefix: 'full', fileBlocksMax: 1200 });
  expect({ signal, code }).toEqual({ signal: null, code: 0 });
  const admitted = idsSaid(lines, 'admitted');
  const failed = idsSaid(lines, 'failed');
  expect(admitted.length).toBeGreaterThan(50);
  expect(failed.length).toBeGreaterThan(50);
  expect(lines).toContain('trouble The store could not commit: is the disk full or failing?');
  const after = await openIn(folder, { instance: 'after', serving: true });
  const { journal, admitted: recorded, spent, held, charged } = await accountsOf(after);
  expect(journal).toMatchObject({ ok: true });
  expect(admitted.filter((id) => !recorded.has(id))).toEqual([]);
  expect({ held, charged }).toEqual({ held: 0, charged: spent });
  await after.close();
}, 60_000);

test('a gateway whose changes go ahead, and two processes beside it, never pass one budget and use it up (I2)', async () => {
  const store = await openIn(folder);
  await mintCaller(store, 1200);
  const epoch = store.keyring.epoch();
  const lives = [
    { prefix: 'gate', serving: true },
    { prefix: 'one', serving: false },
    { prefix: 'two', serving: false },
  ];
  const runs = await Promise.all(lives.map((life) => runCaller({ folder, calls: 500, concurrency: 16, ...life })));
  expect(runs.every(({ lines }) => lines.includes('trouble none'))).toBe(true);
  const { spent, held, charged, journal, admitted } = await accountsOf(store);
  expect(journal).toMatchObject({ ok: true });
  expect(spent + held).toBeLessThanOrEqual(1200);
  expect(spent + held).toBeGreaterThan(1200 - 3);
  expect(charged).toBe(spent);
  const said = runs.flatMap(({ lines }) => idsSaid(lines, 'admitted'));
  expect(new Set(said)).toEqual(admitted);
  expect(runs.every(({ lines }) => idsSaid(lines, 'admitted').length > 0 && idsSaid(lines, 'failed').length === 0)).toBe(true);
  expect(store.keyring.epoch()).toBe(epoch);
  await store.close();
}, 60_000);

test('a second gateway is refused, and takes nothing from the one that serves (A59)', async () => {
  const store = await openIn(folder);
  await mintCaller(store, budget * 10);
  const serving = runCaller({ folder, serving: true, calls: 3000, prefix: 'gate' });
  let refused = 0;
  const trying = (async () => {
    await expect.poll(async () => (await accountsOf(store)).admitted.size, { interval: 1 }).toBeGreaterThan(0);
    for (; refused < 40; refused += 1)
      await expect(openIn(folder, { instance: `second${refused}`, serving: true })).rejects.toThrow('Another gateway');
  })();
  const { lines, code } = await serving;
  await trying.catch((error: unknown) => {
    // It may be done before all have been tried.
    if (refused < 10) throw error;
  });
  expect(code).toBe(0);
  const after = await accountsOf(store);
  expect(after.journal).toMatchObject({ ok: true });
  expect(idsSaid(lines, 'admitted').filter((id) => !after.admitted.has(id))).toEqual([]);
  expect(idsSaid(lines, 'failed')).toEqual([]);
  expect(after.charged).toBe(after.spent);
  await store.close();
}, 60_000);

test('two gateways that do not see each other’s processes, as in two containers, lose nothing that either was told (I2)', async () => {
  const store = await openIn(folder);
  await mintCaller(store, budget * 10);
  const environment = openEnvironment(join(folder, 'store'), { clock: steppedClock(), alone: false });
  const first = runCaller({ folder, serving: true, calls: 2000, prefix: 'first' });
  await expect.poll(async () => (await accountsOf(store)).admitted.size, { interval: 1 }).toBeGreaterThan(100);
  const { tables } = environment;
  // So a claim looks to whoever cannot see the process.
  await tables.commit(() => tables.meta.put('gateway', { ...(tables.meta.get('gateway') as object), startTicks: 'of another one' }));
  const second = await runCaller({ folder, serving: true, calls: 1000, prefix: 'second' });
  const runs = [await first, second];
  expect(runs.map(({ code }) => code)).toEqual([0, 0]);
  const after = await accountsOf(store);
  expect(after.journal).toMatchObject({ ok: true });
  const said = runs.flatMap(({ lines }) => idsSaid(lines, 'admitted'));
  expect(said.filter((id) => !after.admitted.has(id))).toEqual([]);
  expect(runs.flatMap(({ lines }) => idsSaid(lines, 'failed')).length).toBe(0);
  expect(after.charged).toBe(after.spent);
  await environment.close();
  await store.close();
}, 60_000);

test('a gateway killed while another process commits: all that either was told is there, in one chain (I2, I8)', async () => {
  const store = await openIn(folder);
  await mintCaller(store, budget * 10);
  for (const [round, killAfter] of [23, 140, 251].entries()) {
    const [gate, other] = await Promise.all([
      runCaller({ folder, serving: true, calls: 100_000, prefix: `gate${round}`, killAfter }),
      runCaller({ folder, calls: 300, concurrency: 4, prefix: `other${round}` }),
    ]);
    expect([gate.signal, other.code]).toEqual(['SIGKILL', 0]);
    // This process had the store open all the time, and takes in what the gateway left as any that opens it anew.
    await store.ledger.record({ kind: 'gap' });
    const after = await accountsOf(store);
    expect(after.journal).toMatchObject({ ok: true });
    const said = [gate, other].flatMap(({ lines }) => idsSaid(lines, 'admitted'));
    expect(said.length).toBeGreaterThan(100);
    expect(said.filter((id) => !after.admitted.has(id))).toEqual([]);
    expect(after.charged).toBe(after.spent);
  }
  await store.close();
}, 60_000);
