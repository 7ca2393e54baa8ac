import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { rootOf } from '../../../src/domain/key.ts';
import { verifyLines } from '../../../src/domain/verify-journal.ts';
import { budget, callsOn } from '../../ports/calls.ts';
import { admitRequest, day, hour, linesOf, micros, minute, recordsOf, type Subject, start, testKey } from '../../ports/subject.ts';
import { openIn, openSubject, temporaryFolder } from './open.ts';

const by = { via: 'cli' } as const;

describe('what is kept, and until when', () => {
  let subject: Subject;
  beforeEach(async () => {
    subject = await openSubject();
  });
  afterEach(() => subject.close());

  test('what is over is forgotten after a day, so that the store does not grow with it', async () => {
    const calls = callsOn(subject);
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
    await calls.spend(key, 1);
    await calls.admit(key, 1);
    subject.clock.step(hour);
    await subject.ledger.sweep({ now: subject.clock.now() });
    subject.clock.step(day);
    await subject.ledger.sweep({ now: subject.clock.now() });
    await expect(calls.settle(key, 'r1', 1)).rejects.toThrow('r1');
    await expect(calls.settle(key, 'r2', 0)).rejects.toThrow('r2');
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [2, 0] });
    expect(await subject.ledger.renew({ root: rootOf(key), reservationId: 'r2', holdUntil: start + 9 * day })).toBe(false);
  });

  test('thousands that ended together are forgotten together, in several batches', async () => {
    const calls = callsOn(subject);
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(100_000)] });
    const ids = Array.from({ length: 1500 }, (_, at) => `${['aaaaaa', 'bbbbbb', 'cccccc', 'dddddd', 'eeeeee', 'ffffff'][at % 6]}${at}`);
    const settle = (id: string) => {
      const outcome = { kind: 'call.outcome' } as const;
      return subject.ledger.settle({ root: rootOf(key), reservationId: id, charge: micros(1), now: subject.clock.now(), outcome });
    };
    const act = async (id: string) => {
      await subject.ledger.admit(admitRequest(key, { reservationId: id, price: micros(1), now: subject.clock.now() }));
      await settle(id);
    };
    for (let from = 0; from < ids.length; from += 100) await Promise.all(ids.slice(from, from + 100).map(act));
    subject.clock.step(15 * minute - 1);
    await subject.ledger.sweep({ now: subject.clock.now() });
    await Promise.all(ids.map(settle));
    subject.clock.step(1);
    await subject.ledger.sweep({ now: subject.clock.now() });
    const again = await Promise.allSettled(ids.map(settle));
    expect(again.filter(({ status }) => status === 'fulfilled')).toEqual([]);
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [1500, 0] });
  });

  test('a one-time id is forgotten by the sweep after its time', async () => {
    const use = () => subject.ledger.useOnce({ id: 'state-1', until: start + hour });
    expect(await use()).toBe(true);
    await subject.ledger.sweep({ now: start + hour - 1 });
    expect(await use()).toBe(false);
    await subject.ledger.sweep({ now: start + hour });
    expect(await use()).toBe(true);
  });

  test('pruning everything, in several batches, leaves a chain that goes on', async () => {
    const { journal, ledger, clock } = subject;
    const record = (fact: string) => ledger.record({ kind: 'call.refused', fact });
    const verify = async () =>
      verifyLines(await linesOf(journal), { checkpoints: await journal.checkpoints(), publicKeys: subject.publicKeys });
    await Promise.all(Array.from({ length: 2300 }, (_, n) => record(`${n}`)));
    clock.step(minute);
    expect(await journal.prune({ before: start + minute, now: clock.now() })).toBe(2300);
    const left = await recordsOf(journal);
    expect(left.every(({ kind }) => kind === 'journal.pruned')).toBe(true);
    await record('after');
    expect(await verify()).toMatchObject({ ok: true, firstSeq: 2301 });
    expect(await journal.prune({ before: start + 2 * minute, now: clock.now() + minute })).toBe(left.length + 1);
    expect(await verify()).toMatchObject({ ok: true });
  });

  test('positions are sequence numbers of the one partition', async () => {
    await subject.ledger.record({ kind: 'call.refused' });
    await subject.ledger.record({ kind: 'call.refused' });
    expect(await subject.journal.head()).toBe(2);
    expect((await subject.journal.read({ after: 0, limit: 9 })).map(({ position }) => position)).toEqual([1, 2]);
    expect((await recordsOf(subject.journal)).map(({ partition, seq }) => [partition, seq])).toEqual([
      ['main', 1],
      ['main', 2],
    ]);
  });

  test('the epoch stays where no key changed: for calls, refused changes and changes that change nothing', async () => {
    const calls = callsOn(subject);
    const key = await calls.minted('AAAAAAAA');
    await subject.keyring.revoke('AAAAAAAA', { reason: 'x', at: start, by });
    const epoch = subject.keyring.epoch();
    await subject.keyring.revoke('AAAAAAAA', { reason: 'again', at: start, by });
    await calls.admit(key);
    await expect(subject.keyring.insert(testKey('AAAAAAAA'), by)).rejects.toThrow('AAAAAAAA');
    expect(await subject.keyring.replace({ record: { ...key, revision: 2 }, expected: 1, fact: { kind: 'key.changed' }, by })).toBe(false);
    expect([subject.keyring.epoch(), subject.keyring.changedAt(['AAAAAAAA'])]).toEqual([epoch, epoch]);
  });
});

describe('duties', () => {
  let folder: string;
  beforeEach(() => {
    folder = temporaryFolder();
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test('belong to the process that serves, for as long as it does', async () => {
    const gateway = await openIn(folder, { instance: 'gateway', serving: true });
    const beside = await openIn(folder, { instance: 'beside' });
    expect([await gateway.duties.hold('seal', 1), await beside.duties.hold('seal', 1)]).toEqual([true, false]);
    await gateway.duties.release('seal');
    expect(await beside.duties.hold('seal', 1)).toBe(false);
    await gateway.duties.advance('seal', 7);
    await beside.duties.advance('seal', 5);
    await gateway.close();
    expect(await beside.duties.hold('seal', 1)).toBe(false);
    await beside.claimGateway();
    expect([await beside.duties.hold('seal', 1), await beside.duties.progress('seal')]).toEqual([true, 7]);
    await beside.close();
  });
});

test('thresholds are those asked for now, and none where none are', async () => {
  const folder = temporaryFolder();
  const thresholds: number[] = [];
  const store = await openIn(folder, { thresholds });
  const calls = callsOn({ ...store, clock: { now: () => start, monotonic: () => start, step: () => undefined }, publicKeys: new Map() });
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
  await calls.spend(key, 60);
  expect((await calls.admit(key, 60)).kind).toBe('limited');
  expect(await calls.thresholds()).toEqual([]);
  thresholds.push(10, 70);
  await calls.spend(key, 1);
  await calls.spend(key, 9);
  expect((await calls.thresholds()).map(({ threshold, spent }) => [threshold, spent])).toEqual([
    [10, '0.000061'],
    [70, '0.00007'],
  ]);
  await store.close();
  rmSync(folder, { recursive: true });
});
