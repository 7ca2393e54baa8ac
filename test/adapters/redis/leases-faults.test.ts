import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { inPartition, partitionOf } from '../../../src/adapters/redis/layout.ts';
import { rootOf } from '../../../src/domain/key.ts';
import { budget, cap } from '../../ports/calls.ts';
import { chargesOf, hour, micros, minute, outcomeFacts, recordsOf, start } from '../../ports/subject.ts';
import { startRedisCluster } from '../../support/redis-cluster.ts';
import { startRedis, type TestRedis, until } from '../../support/redis-server.ts';
import { acquaint, admitMany, type LeasedSubject, openLeased, terms } from './leased.ts';
import { resending } from './life.ts';

let server: TestRedis;
let subject: LeasedSubject;
let other: LeasedSubject;
let calls: LeasedSubject['calls'];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
const open = async (options: Parameters<typeof openLeased>[1] = {}) => {
  await server.cli('FLUSHALL');
  subject = await openLeased(server, { commandTimeoutMs: 500, ...options });
  other = await openLeased(server, { name: 'other life', clock: subject.clock });
  ({ calls } = subject);
};
beforeEach(() => open());
afterEach(() => Promise.all([subject.close(), other.close()]));

const records = (kind: string) => recordsOf(other.journal).then((all) => all.filter((record) => record.kind === kind));
const charges = async () => [...chargesOf(await recordsOf(other.journal)).values()];
const sum = (all: readonly number[]) => all.reduce((one, each) => one + each, 0);
const sweepAt = (ms: number) => other.ledger.sweep({ now: start + ms });
/** What each reservation was charged by the last word on it, in order of the ids. */
const chargeOf = async (id: string) => chargesOf(await recordsOf(other.journal)).get(id);

test('a gateway that dies leaves a lease that others close: charged is what was used, the rest is given back', async () => {
  await calls.funded('acme', 10_000);
  await acquaint(subject, 'acme');
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(1000)], caps: [cap(500)] });
  const [first = '', second = '', third = '', fourth = ''] = await admitMany(subject, key, { count: 4, price: 10 });
  await calls.settle(key, first, 10);
  await calls.settle(key, second, 4);
  await subject.close();
  // Its owner has five seconds to close it itself.
  expect(await sweepAt(terms.ms + 4999)).toBe(0);
  expect(await other.calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [10, 100], 'key:AAAAAAAA cap total': [1, 10] });
  expect(await sweepAt(terms.ms + 5000)).toBe(0);
  expect(await other.calls.usage(key)).toEqual({
    'key:AAAAAAAA cap total': [4, 0],
    'key:AAAAAAAA budget total': [14, 20],
    'account:acme balance': [0, 20],
  });
  // Calls that ran are ordinary holds now, which end when they would have ended.
  expect(await sweepAt(2 * minute - 1)).toBe(0);
  expect(await sweepAt(2 * minute)).toBe(2);
  expect(await other.calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [34, 0], 'account:acme balance': [0, 0] });
  expect(await other.ledger.account('acme')).toMatchObject({ balance: 9966, held: 0 });
  expect(sum(await charges())).toBe(34);
  for (const id of [third, fourth])
    expect(await other.calls.last(id)).toMatchObject({ status: 'hold-expired', requestId: `request of ${id}`, charged: '0.00001' });
  // An outcome that comes at last corrects that, at whatever gateway.
  await other.calls.settle(key, third, 3);
  expect(await other.calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [27, 0] });
  expect(await other.calls.last(third)).toMatchObject({ corrected: true, charged: '0.000003' });
});

test('an expiry that charges nothing charges nothing of a lease either', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const [, , last = ''] = await admitMany(subject, key, { count: 3, price: 10, onExpiry: 'none' });
  await subject.close();
  expect(await sweepAt(hour)).toBe(3);
  expect(await other.calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [0, 0] });
  await other.calls.settle(key, last, 10);
  expect(await other.calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [10, 0] });
});

test('leases of owners that are named orphans are closed before their time, and their running calls captured', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(10_000)] });
  const ids = await admitMany(subject, key, { count: 4, price: 10 });
  for (const reservationId of ['x', 'y', 'z']) await admitMany(other, key, { count: 1, price: 1, reservationId });
  await calls.settle(key, ids[3] ?? '', 10);
  expect(await other.ledger.sweep({ now: start, orphaned: (owner) => owner === 'test-life' })).toBe(3);
  expect(await other.calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [40, 11] });
});

test('a call that still runs when its lease ends is settled, renewed and captured as any other', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 5, price: 10 });
  const [, renewed = '', before = '', after = '', late = ''] = ids;
  const renew = (reservationId: string, holdUntil: number) => subject.ledger.renew({ root: rootOf(key), reservationId, holdUntil });
  expect(await renew(renewed, start + hour)).toBe(true);
  expect(await renew(renewed, start)).toBe(true);
  await calls.settle(key, before, 7);
  expect(await renew(before, start + hour)).toBe(false);
  await subject.giveBack();
  expect(await renew(after, start + hour)).toBe(true);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [7, 40] });
  await calls.settle(key, after, 8);
  expect(await sweepAt(2 * minute)).toBe(2);
  await calls.settle(key, late, 9);
  await calls.settle(key, late, 1);
  expect(await sweepAt(hour)).toBe(1);
  expect(await renew(late, start + hour)).toBe(false);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [10 + 10 + 7 + 8 + 9, 0] });
  expect(sum(await charges())).toBe(44);
});

test('a second settle changes nothing, a charge beyond the hold and a wrong time are refused, an unknown call is told', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const [, one = '', two = ''] = await admitMany(subject, key, { count: 3, price: 10 });
  for (const wrong of [11, -1, 0.5, Number.NaN]) await expect(calls.settle(key, one, wrong)).rejects.toThrow();
  await expect(calls.settle(key, one, 5, { now: Number.NaN })).rejects.toThrow('time');
  await expect(calls.settle(key, one, 5, { released: true })).rejects.toThrow('released');
  await Promise.all([calls.settle(key, one, 5), calls.settle(key, one, 6), calls.settle(key, one, 7)]);
  await calls.settle(key, one, 8);
  await calls.settle(key, two, 0, { released: true });
  await expect(calls.settle(key, 'nobody', 1)).rejects.toThrow('is not held');
  await subject.giveBack();
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [5, 10] });
  expect(await records('call.outcome')).toHaveLength(2);
});

test('scripts that are sent twice do what they do once', async () => {
  await Promise.all([subject.close(), other.close()]);
  await open({ wrap: resending });
  await calls.funded('acme', 10_000, { budgets: [budget(5000)] });
  await acquaint(subject, 'acme');
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', caps: [cap(500)] });
  const ids = await admitMany(subject, key, { count: 17, price: 10 });
  for (const id of ids.slice(0, 14)) await calls.settle(key, id, 6);
  await subject.giveBack();
  for (const id of ids.slice(14)) await calls.settle(key, id, 6);
  expect(await calls.usage(key)).toEqual({
    'key:AAAAAAAA cap total': [17, 0],
    'account:acme budget total': [17 * 6, 0],
    'account:acme balance': [0, 0],
  });
  expect(sum(await charges())).toBe(17 * 6);
  expect((await records('call.intent')).filter(({ keyId }) => keyId === key.id)).toHaveLength(17);
});

test('a server that does not answer is never answered for from a lease, and what it did after all is captured', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 4, price: 10 });
  server.pause();
  try {
    const asked = [calls.admit(key, 10, { lease: terms }), calls.settle(key, ids[2] ?? '', 10)];
    expect((await Promise.allSettled(asked)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  } finally {
    server.resume();
  }
  await until(async () => (await subject.life.connection.client.ping().catch(() => '')) === 'PONG', 'the server answers again');
  await until(async () => (await records('call.outcome')).length === 1, 'what was sent before it froze has been done');
  await calls.settle(key, ids[2] ?? '', 10);
  await subject.giveBack();
  await sweepAt(hour);
  const drawn = (await records('call.intent')).length;
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [drawn * 10, 0] });
  expect(sum(await charges())).toBe(drawn * 10);
});

test('a full server has written nothing of a lease, and closes it when it has room again', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 4, price: 10 });
  const before = { usage: await calls.usage(key), records: await recordsOf(subject.journal), size: await server.cli('DBSIZE') };
  await server.cli('CONFIG', 'SET', 'maxmemory', '1');
  try {
    await expect(calls.admit(key, 10, { lease: terms })).rejects.toThrow('OOM');
    await expect(calls.settle(key, ids[2] ?? '', 10)).rejects.toThrow('OOM');
    await expect(other.ledger.sweep({ now: start + hour })).rejects.toThrow('OOM');
    await subject.giveBack();
  } finally {
    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
  }
  const after = { usage: await calls.usage(key), records: await recordsOf(subject.journal), size: await server.cli('DBSIZE') };
  expect(after).toEqual(before);
  await calls.settle(key, ids[2] ?? '', 10);
  expect(await sweepAt(hour)).toBe(3);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [40, 0] });
});

test('a lease that is damaged does not keep a sweep from anything else, and one that is gone is no trouble', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const gone = await calls.minted('BBBBBBBB', { budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 3, price: 10 });
  const [, lost = ''] = await admitMany(subject, gone, { count: 3, price: 10 });
  const [damagedAt, goneAt] = [key, gone].map((each) => partitionOf(rootOf(each)));
  const names = (await server.cli('KEYS', 'kg:*}:lease:*')).split('\n');
  const at = (partition = '') => names.find((name) => name.includes(`{${partition}}`)) ?? '';
  await server.cli('DEL', at(goneAt));
  await server.cli('HSET', at(damagedAt), 'plan', 'damaged');
  await expect(calls.settle(gone, lost, 10)).rejects.toThrow('is not held');
  await calls.settle(key, ids[1] ?? '', 10);
  await expect(sweepAt(hour)).rejects.toThrow('user_script');
  expect(await calls.usage(gone)).toMatchObject({ 'key:BBBBBBBB budget total': [10, 100] });
  expect(await chargeOf(ids[0] ?? '')).toBe(10);
  expect(await server.cli('EXISTS', inPartition.leases(goneAt ?? ''))).toBe('0');
});

test('counters that a failover has set back are not driven below zero', async () => {
  await calls.funded('acme', 1000);
  await acquaint(subject, 'acme');
  const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(1000)] });
  const ids = await admitMany(subject, key, { count: 4, price: 10 });
  const partition = partitionOf(rootOf(key));
  const { client } = subject.life.connection;
  await client.hset(inPartition.counters(partition, 'AAAAAAAA'), 'micros total ', '[0,0,20,0]');
  await client.hset(inPartition.account(partition, 'acme'), 'held', '20');
  for (const id of ids) await calls.settle(key, id, 10);
  await subject.giveBack();
  expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [40, 0], 'account:acme balance': [0, 0] });
});

test('calls of a lease may be called anything that is allowed, and what was closed is forgotten by the server itself', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(10_000)] });
  await admitMany(subject, key, { count: 1, price: 10 });
  const ids = ['{p1}', '}{', '%s', 'r"\\', "'", '~'.repeat(128), 'terms', ':', 'drawn', '-1', 'm'];
  for (const reservationId of ids) await admitMany(subject, key, { count: 1, price: 10, reservationId });
  for (const reservationId of ['', 'a b', 'a\nb', '\u0000']) {
    await expect(calls.admit(key, 10, { reservationId, lease: terms })).rejects.toThrow('reservation id');
  }
  for (const id of ids.slice(0, 10)) await calls.settle(key, id, 5);
  await subject.giveBack();
  await calls.settle(key, 'm', 5);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [5 * ids.length, 10] });
  for (const name of (await server.cli('KEYS', 'kg:*}:lease:*')).split('\n'))
    expect(Number(await server.cli('PTTL', name))).toBeGreaterThan(0);
});

test('a cluster leases as one server does, wherever a partition is', async () => {
  const cluster = await startRedisCluster({ nodes: 3 });
  const opened: LeasedSubject[] = [];
  try {
    const [one, two] = [await openLeased(cluster), await openLeased(cluster, { name: 'other life' })];
    opened.push(one, two);
    for (let at = 0; at < 12; at += 1) {
      const key = await one.calls.minted(`KEY${String(at).padStart(5, '0')}`, { budgets: [budget(1000)] });
      const [first = '', second = ''] = await admitMany(one, key, { count: 4, price: 5 });
      await one.calls.settle(key, first, 5);
      await one.ledger.settle({ root: rootOf(key), reservationId: second, charge: micros(2), now: start, outcome: outcomeFacts });
    }
    await one.close();
    expect(await two.ledger.sweep({ now: start + hour })).toBe(24);
    for (let at = 0; at < 12; at += 1) {
      const key = await two.keyring.get(`KEY${String(at).padStart(5, '0')}`);
      if (key) expect(await two.calls.usage(key)).toEqual({ [`key:${key.id} budget total`]: [17, 0] });
    }
  } finally {
    await Promise.all(opened.map((each) => each.close()));
    await cluster.stop();
  }
});
