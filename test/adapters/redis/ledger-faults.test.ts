import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { inPartition, partitionOf } from '../../../src/adapters/redis/layout.ts';
import { rootOf } from '../../../src/domain/key.ts';
import { budget, type Calls, callsOn } from '../../ports/calls.ts';
import { admitRequest, chargesOf, hour, micros, recordsOf, start, testKey } from '../../ports/subject.ts';
import { startRedis, type TestRedis, until } from '../../support/redis-server.ts';
import { openOn, type RedisSubject } from './open.ts';

let server: TestRedis;
let subject: RedisSubject;
let calls: Calls;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  subject = await openOn(() => server, { commandTimeoutMs: 300 })();
  calls = callsOn(subject);
});
afterEach(() => subject.close());

const intents = async () => (await recordsOf(subject.journal)).filter(({ kind }) => kind === 'call.intent').length;
const answers = async () => (await subject.life.connection.client.ping().catch(() => '')) === 'PONG';

test('a call whose admit nobody heard the answer of holds until it expires, and asked for again it is the same call', async () => {
  await calls.funded('acme', 100);
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)] });
  const request = admitRequest(key, { reservationId: 'one', price: micros(60) });
  // The script has to be known before: one that is sent with its source after all would be sent twice.
  await calls.spend(key, 10);
  server.pause();
  try {
    await expect(subject.ledger.admit(request)).rejects.toThrow();
  } finally {
    server.resume();
  }
  await until(answers, 'the server answers again');
  // The server read the command before it stopped answering, or never: both may be, and asking again is right in both.
  expect(await subject.ledger.admit(request)).toEqual({ kind: 'admitted', reservationId: 'one' });
  expect(await subject.ledger.account('acme')).toMatchObject({ balance: 90, held: 60 });
  expect(await intents()).toBe(2);
  expect(await subject.ledger.sweep({ now: start + hour })).toBe(1);
  expect(await subject.ledger.account('acme')).toMatchObject({ balance: 30, held: 0 });
});

test('a server that is frozen, gone or full is never answered for from memory', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
  await calls.spend(key, 10);
  server.pause();
  const call = { key, ancestors: [], counts: true, price: micros(1), now: start } as const;
  const asked = [
    calls.admit(key, 1),
    calls.settle(key, 'r1'),
    subject.ledger.renew({ root: rootOf(key), reservationId: 'r1', holdUntil: start }),
    subject.ledger.record({ kind: 'gap' }),
    subject.ledger.useOnce({ id: 'x', until: start + hour }),
    subject.ledger.sweep({ now: start }),
    subject.ledger.preview(call),
    subject.ledger.usage({ key, ancestors: [], now: start }),
    subject.ledger.account('acme'),
    subject.ledger.createAccount({ id: 'acme', now: start, by: { kind: 'account.created' } }),
  ];
  try {
    const settled = await Promise.allSettled(asked);
    expect(settled.map(({ status }) => status)).toEqual(asked.map(() => 'rejected'));
  } finally {
    server.resume();
  }
  await until(answers, 'the server answers again');
});

test('A47: a store that takes no more writes has written nothing of a call: neither money nor half of its journal', async () => {
  await calls.funded('acme', 100);
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)] });
  await calls.admit(key, 60);
  const before = { usage: await calls.usage(key), records: await recordsOf(subject.journal), size: await server.cli('DBSIZE') };
  await server.cli('CONFIG', 'SET', 'maxmemory', '1');
  try {
    await expect(calls.admit(key, 10)).rejects.toThrow('OOM');
    await expect(calls.settle(key, 'r1', 10)).rejects.toThrow('OOM');
    await expect(subject.ledger.sweep({ now: start + hour })).rejects.toThrow('OOM');
    const acme = { accountId: 'acme', reference: 'x', now: start, by: { kind: 'account.created' } } as const;
    await expect(subject.ledger.credit({ ...acme, amount: micros(1) })).rejects.toThrow('OOM');
    // What asks and writes nothing goes on.
    const call = { key, ancestors: [], counts: true, price: micros(50), now: start } as const;
    expect(await subject.ledger.preview(call)).toMatchObject({ held: 60 });
  } finally {
    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
  }
  const after = { usage: await calls.usage(key), records: await recordsOf(subject.journal), size: await server.cli('DBSIZE') };
  expect(after).toEqual(before);
  await calls.settle(key, 'r1', 10);
  expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [10, 0] });
});

test('a key that is deleted while its calls run leaves nothing behind but the account it is paid from', async () => {
  await calls.funded('acme', 100);
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)] });
  await calls.admit(key, 10);
  await calls.admit(key, 20);
  await calls.admit(key, 30, { onExpiry: 'none' });
  await subject.keyring.remove('AAAAAAAA', { reason: 'x', at: start, by: { via: 'cli' } });
  await calls.settle(key, 'r1', 5);
  expect(await subject.ledger.sweep({ now: start + hour })).toBe(2);
  await calls.settle(key, 'r2', 15);
  await calls.settle(key, 'r3', 30);
  expect(await subject.ledger.account('acme')).toMatchObject({ balance: 50, held: 0 });
  expect([...chargesOf(await recordsOf(subject.journal)).values()]).toEqual([5, 15, 30]);
  expect(await server.cli('EXISTS', inPartition.counters(partitionOf('account:acme'), 'AAAAAAAA'))).toBe('0');
});

test('A44: counters that a failover has set back are not driven below zero, and the outcome is recorded all the same', async () => {
  await calls.funded('acme', 100);
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(100)] });
  await calls.admit(key, 40);
  await calls.admit(key, 30);
  const partition = partitionOf('account:acme');
  const { client } = subject.life.connection;
  await client.hset(inPartition.counters(partition, 'AAAAAAAA'), 'micros total ', '[0,5,20,0]');
  await client.hset(inPartition.account(partition, 'acme'), 'held', '10', 'balance', '20');
  await calls.settle(key, 'r1', 40);
  expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [45, 0] });
  expect(await subject.ledger.account('acme')).toMatchObject({ balance: -20, held: 0 });
  expect(await calls.admit(key, 1)).toMatchObject({ kind: 'limited', breach: { reason: 'BALANCE_EXHAUSTED', limit: -20 } });
  // An account that is gone altogether is not made anew by what is left of its calls.
  await client.del(inPartition.account(partition, 'acme'));
  await calls.settle(key, 'r2', 30);
  expect(await client.exists(inPartition.account(partition, 'acme'))).toBe(0);
  expect([...chargesOf(await recordsOf(subject.journal)).values()]).toEqual([40, 30]);
});

test('A44: a correction takes no more from a counter that a failover has set back than is in it', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
  await calls.admit(key, 40);
  await subject.ledger.sweep({ now: start + hour });
  const counters = inPartition.counters(partitionOf(rootOf(key)), 'AAAAAAAA');
  await subject.life.connection.client.hset(counters, 'micros total ', '[0,5,0,0]');
  await calls.settle(key, 'r1', 10);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [0, 0] });
  expect(await calls.last('r1')).toMatchObject({ charged: '0.00001', corrected: true });
});

test('a hold whose record is damaged stays, loudly, and stops no other from being captured', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const other = await calls.minted('BBBBBBBB', { budgets: [budget(1000)] });
  for (let at = 0; at < 250; at += 1) await calls.admit(key, 1, { holdUntil: start + at });
  await calls.admit(other, 7);
  const partition = partitionOf(rootOf(key));
  const { client } = subject.life.connection;
  await client.hset(inPartition.holds(partition), 'r1', 'life\n{damaged', 'r120', 'life\n{}');
  for (const round of [{ now: start, orphaned: () => true }, { now: start + hour }]) {
    await expect(subject.ledger.sweep(round)).rejects.toThrow('damaged');
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [248, 2] });
    expect(await calls.usage(other)).toEqual({ 'key:BBBBBBBB budget total': [7, 0] });
  }
});

test('a reservation whose name is taken by something else is neither made nor ended, and those that share its script are', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  await calls.admit(key, 20);
  await calls.admit(key, 30);
  const stored = (id: string) => inPartition.ended(partitionOf(rootOf(key)), id);
  const { client } = subject.life.connection;
  for (const id of ['r2', 'taken']) await client.set(stored(id), 'of another type');
  const settled = await Promise.allSettled([
    calls.settle(key, 'r1', 10),
    calls.settle(key, 'r2', 30),
    calls.admit(key, 40, { reservationId: 'taken' }),
    calls.admit(key, 50, { reservationId: 'free' }),
  ]);
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [10, 80] });
  for (const id of ['r2', 'taken']) expect(await client.type(stored(id))).toBe('string');
});

test('what only warns may grow as far as it can be counted exactly, and no further', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1, 'total', { soft: true })] });
  const most = 1e15;
  for (let at = 0; at < 9; at += 1) await calls.spend(key, most);
  const rest = Number.MAX_SAFE_INTEGER - 9 * most;
  await expect(calls.admit(key, rest + 1)).rejects.toThrow('counted exactly');
  expect((await calls.admit(key, rest)).kind).toBe('admitted');
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [9 * most, rest] });
  await expect(calls.admit(key, 1)).rejects.toThrow('counted exactly');
  expect(await intents()).toBe(10);
});

test('reservations, references and one-time ids may be called anything that is allowed', async () => {
  await calls.funded('acme', 1000);
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme' });
  const ids = ['{p1}', '}{', '%s', 'r"\\', "'", '~'.repeat(128), '1', '-1', 'h', '*'];
  for (const reservationId of ids) {
    expect((await calls.admit(key, 10, { reservationId })).kind).toBe('admitted');
    await calls.settle(key, reservationId, 5);
  }
  for (const reservationId of ['', ' ', 'a b', 'a\nb', 'ä', '~'.repeat(129), '\u0000']) {
    await expect(calls.admit(key, 10, { reservationId })).rejects.toThrow('reservation id');
  }
  expect(await subject.ledger.account('acme')).toMatchObject({ balance: 1000 - 5 * ids.length, held: 0 });
});

test('what has ended is forgotten by the server itself, and what is held never is', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(10)] });
  await calls.admit(key, 10);
  await calls.admit(key, 1);
  const partition = partitionOf(rootOf(key));
  const ms = async (name: string) => Number(await server.cli('PTTL', name));
  const [held, captured] = [inPartition.holds(partition), inPartition.captured(partition, 'r1')];
  const expectForgotten = async (id: string) => {
    const left = await ms(inPartition.ended(partition, id));
    expect(left).toBeLessThan(16 * 60_000);
    expect(left).toBeGreaterThan(14 * 60_000);
  };
  expect(await ms(held)).toBe(-1);
  await expectForgotten('r2');
  await subject.ledger.sweep({ now: start + hour });
  expect(await ms(captured)).toBeGreaterThan(23 * hour);
  await expectForgotten('r1');
  await calls.settle(key, 'r1', 5);
  expect(await server.cli('EXISTS', captured)).toBe('0');
  await expectForgotten('r1');
  await calls.spend(key, 5);
  for (const name of [inPartition.due(partition), held]) expect(await server.cli('EXISTS', name)).toBe('0');
});

test('times that no calendar has are refused before anything is written', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
  for (const now of [Number.NaN, 1e16, 0.5, Number.POSITIVE_INFINITY]) {
    await expect(calls.admit(key, 1, { now, holdUntil: start })).rejects.toThrow();
    await expect(calls.settle(key, 'r1', 0, { now })).rejects.toThrow();
  }
  for (const now of [Number.NaN, 0.5]) await expect(subject.ledger.sweep({ now })).rejects.toThrow('time');
  await expect(subject.ledger.renew({ root: rootOf(key), reservationId: 'r1', holdUntil: Number.NaN })).rejects.toThrow('time');
  await expect(subject.ledger.useOnce({ id: 'x', until: Number.NaN })).rejects.toThrow('time');
  expect(await subject.ledger.useOnce({ id: 'x', until: 8e15 })).toBe(true);
  expect(await recordsOf(subject.journal)).toHaveLength(1);
  expect(await subject.ledger.admit(admitRequest(testKey('NOBODY00'), { reservationId: 'x', holdUntil: 8e15 }))).toMatchObject({
    kind: 'dead',
  });
});
