import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { inPartition, partitionOf } from '../../../src/adapters/redis/layout.ts';
import { rootOf } from '../../../src/domain/key.ts';
import { budget, cap } from '../../ports/calls.ts';
import { chargesOf, hour, recordsOf, type SteppedClock, start, steppedClock } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { admitMany, type LeasedSubject, openLeased, terms } from './leased.ts';

let server: TestRedis;
let subject: LeasedSubject;
let other: LeasedSubject;
let calls: LeasedSubject['calls'];
/** Milliseconds on the clock that never goes back. */
let passed: number;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.cli('FLUSHALL');
  passed = 0;
  const clock: SteppedClock = { ...steppedClock(), monotonic: () => passed };
  subject = await openLeased(server, { clock });
  other = await openLeased(server, { name: 'other life', clock });
  ({ calls } = subject);
});
afterEach(() => Promise.all([subject.close(), other.close()]));

const chargeOf = async (id: string | undefined) => chargesOf(await recordsOf(subject.journal)).get(id ?? '') ?? 0;

test('a lease that somebody else has closed is drawn from no more, and its running calls are renewed and settled all the same', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const [, one = '', two = '', three = ''] = await admitMany(subject, key, { count: 4, price: 10, holdUntil: start + hour });
  await other.ledger.sweep({ now: start + terms.ms + 5000 });
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [0, 40] });
  expect(await subject.ledger.renew({ root: rootOf(key), reservationId: three, holdUntil: start + 2 * hour })).toBe(true);
  await calls.settle(key, one, 4);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [4, 30] });
  await admitMany(subject, key, { count: 1, price: 10 });
  await calls.settle(key, two, 5);
  await calls.settle(key, two, 6);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [9, 30] });
  await other.ledger.sweep({ now: start + hour });
  expect([await chargeOf(one), await chargeOf(two), await chargeOf(three)]).toEqual([4, 5, 0]);
});

test('nothing is drawn in the last tenth of a lease, and a call that comes later than a lease lasts takes none', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(10_000)] });
  const heldAfter = async (ms: number) => {
    passed += ms;
    await admitMany(subject, key, { count: 1, price: 10 });
    return (await calls.usage(key))['key:AAAAAAAA budget total']?.[1];
  };
  expect(await heldAfter(0)).toBe(10);
  expect(await heldAfter(terms.ms - 1)).toBe(110);
  expect(await heldAfter(terms.ms * 0.9 - 1)).toBe(110);
  expect(await heldAfter(1)).toBe(210);
  expect(await heldAfter(terms.ms)).toBe(220);
});

test('a lease serves calls of its own tool, price and expiry alone', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(10_000)], caps: [cap(100, 'total', { tool: 'get_*' })] });
  const ids: Record<string, string[]> = {};
  const kinds = [
    ['get', { tool: 'get_page', price: 5, onExpiry: 'full' }],
    ['put', { tool: 'put_page', price: 5, onExpiry: 'full' }],
    ['dear', { tool: 'get_page', price: 6, onExpiry: 'full' }],
    ['none', { tool: 'get_page', price: 5, onExpiry: 'none' }],
  ] as const;
  for (let turn = 0; turn < 4; turn += 1) {
    for (const [name, kind] of kinds) ids[name] = [...(ids[name] ?? []), ...(await admitMany(subject, key, { count: 1, ...kind }))];
  }
  await subject.giveBack();
  await other.ledger.sweep({ now: start + hour });
  expect(await calls.usage(key)).toEqual({
    'key:AAAAAAAA cap total get_*': [12, 0],
    'key:AAAAAAAA budget total': [4 * (5 + 5 + 6), 0],
  });
  const charges = await Promise.all(kinds.map(async ([name]) => chargeOf(ids[name]?.[3])));
  expect(charges).toEqual([5, 5, 6, 0]);
});

test('a deleted key leaves nothing of its leases behind, and a record that says it is revoked is enough', async () => {
  const gone = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const marked = await calls.minted('BBBBBBBB', { budgets: [budget(1000)] });
  const [, running = ''] = await admitMany(subject, gone, { count: 3, price: 10 });
  await admitMany(subject, marked, { count: 3, price: 10 });
  await subject.keyring.remove('AAAAAAAA', { reason: 'x', at: start, by: { via: 'cli' } });
  await calls.settle(gone, running, 5);
  await server.cli('HSET', inPartition.key(partitionOf(rootOf(marked)), 'BBBBBBBB'), 'revoked', '1');
  expect(await calls.admit(marked, 10, { lease: terms })).toEqual({ kind: 'dead', reason: 'TOKEN_REVOKED' });
  await subject.giveBack();
  await other.ledger.sweep({ now: start + hour });
  expect(await server.cli('EXISTS', inPartition.counters(partitionOf(rootOf(gone)), 'AAAAAAAA'))).toBe('0');
  expect(await chargeOf(running)).toBe(5);
});

test('a line of which a key is missing, or was not judged, is leased to nobody', async () => {
  await calls.minted('GONE0000');
  const orphan = await calls.minted('AAAAAAAA', { parentIds: ['GONE0000'] });
  await subject.keyring.remove('GONE0000', { reason: 'x', at: start, by: { via: 'cli' } });
  for (let nth = 0; nth < 3; nth += 1)
    expect(await calls.admit(orphan, 0, { lease: terms })).toEqual({ kind: 'dead', reason: 'TOKEN_INVALID' });
  await calls.minted('TOP00000');
  const child = await calls.minted('BBBBBBBB', { parentIds: ['TOP00000'] });
  for (let nth = 0; nth < 3; nth += 1) expect(await calls.admit(child, 0, { lease: terms })).toEqual({ kind: 'stale' });
});

test('a lease is given back by itself when its time is over', async () => {
  const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
  const lease = { calls: 10, ms: 30 };
  const ids = await admitMany(subject, key, { count: 3, price: 10, lease });
  const held = async () => (await calls.usage(key))['key:AAAAAAAA budget total']?.[1] ?? 0;
  // The clocks of the test stand still: this is the timer.
  while ((await held()) > 30) await subject.life.connection.client.ping();
  for (const id of ids) await calls.settle(key, id, 10);
  expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [30, 0] });
});
