import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { inPartition, partitionOf } from '../../../src/adapters/redis/layout.ts';
import { rootOf } from '../../../src/domain/key.ts';
import { budget, cap } from '../../ports/calls.ts';
import { chargesOf, hour, minute, recordsOf, start, steppedClock, testKey } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { acquaint, admitMany, type LeasedSubject, openLeased, terms } from './leased.ts';

let server: TestRedis;
let subject: LeasedSubject;
let calls: LeasedSubject['calls'];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.cli('FLUSHALL');
  subject = await openLeased(server);
  ({ calls } = subject);
});
afterEach(() => subject.close());

const by = { via: 'cli' } as const;
const records = (kind: string) => recordsOf(subject.journal).then((all) => all.filter((record) => record.kind === kind));
const charged = async () => [...chargesOf(await recordsOf(subject.journal)).values()].reduce((sum, charge) => sum + charge, 0);

describe('a lease', () => {
  test('holds several calls at once, each of which has its own intent and its own charge', async () => {
    await calls.funded('acme', 10_000);
    await acquaint(subject, 'acme');
    const key = await calls.minted('AAAAAAAA', { accountId: 'acme', budgets: [budget(1000)], caps: [cap(500)] });
    const [alone] = await admitMany(subject, key, { count: 1, price: 5 });
    expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [0, 5], 'key:AAAAAAAA cap total': [1, 0] });
    const ids = await admitMany(subject, key, { count: 4, price: 5 });
    // Ten calls are held for the four that were drawn.
    expect(await calls.usage(key)).toEqual({
      'key:AAAAAAAA cap total': [1, 10],
      'key:AAAAAAAA budget total': [0, 55],
      'account:acme balance': [0, 55],
    });
    expect((await records('call.intent')).filter(({ keyId }) => keyId === key.id)).toMatchObject(
      [alone, ...ids].map((reservationId) => ({
        reservationId,
        held: '0.000005',
        decision: 'allowed',
        requestId: `request of ${reservationId}`,
      })),
    );
    for (const [at, id] of [alone ?? '', ...ids].entries()) await calls.settle(key, id, at);
    await subject.giveBack();
    expect(await calls.usage(key)).toEqual({
      'key:AAAAAAAA cap total': [5, 0],
      'key:AAAAAAAA budget total': [10, 0],
      'account:acme balance': [0, 0],
    });
    expect(await subject.ledger.account('acme')).toMatchObject({ balance: 9990, held: 0 });
    expect(await charged()).toBe(10);
    expect(await server.cli('EXISTS', inPartition.leases(partitionOf(rootOf(key))))).toBe('0');
  });

  test('is closed by its last outcome, and the next call takes another', async () => {
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)], maxUses: 1000 });
    const ids = await admitMany(subject, key, { count: 11, price: 3 });
    await Promise.all(ids.map((id) => calls.settle(key, id, 2)));
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA uses': [11, 0], 'key:AAAAAAAA budget total': [22, 0] });
    await admitMany(subject, key, { count: 1, price: 3 });
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA uses': [11, 10], 'key:AAAAAAAA budget total': [22, 30] });
  });

  test('takes an eighth of the least room at most, soft limits and the balance too, and none for a single call', async () => {
    let count = 0;
    const held = async (limits: Parameters<typeof calls.minted>[1], balance = 1_000_000) => {
      count += 1;
      const id = `acme${count}`;
      await calls.funded(id, balance);
      await acquaint(subject, id);
      const key = await calls.minted(id, { accountId: id, ...limits });
      await admitMany(subject, key, { count: 2, price: 10 });
      return (await subject.ledger.account(id))?.held;
    };
    // The first call holds 10 by itself, and what is held counts twice.
    expect(await held({})).toBe(110);
    expect(await held({ budgets: [budget(20 + 8 * 60)] })).toBe(70);
    expect(await held({ budgets: [budget(20 + 8 * 60 - 1)] })).toBe(60);
    expect(await held({ budgets: [budget(20 + 8 * 20)] })).toBe(30);
    expect(await held({ budgets: [budget(20 + 8 * 20 - 1)] })).toBe(20);
    expect(await held({ caps: [cap(1 + 8 * 3)] })).toBe(40);
    expect(await held({ caps: [cap(1 + 8 * 2 - 1)] })).toBe(20);
    expect(await held({ maxUses: 1 + 8 * 4 })).toBe(50);
    expect(await held({ budgets: [budget(20 + 8 * 50, 'total', { soft: true })] })).toBe(60);
    expect(await held({}, 20 + 8 * 40)).toBe(50);
    expect(await held({}, 20 + 8 * 40 - 1)).toBe(40);
    expect(await held({ budgets: [budget(1, 'total', { soft: true })] })).toBe(20);
  });

  test('is not taken for calls with totals, for those that are not counted, or where none is asked for', async () => {
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000)] });
    const totals = [{ name: 'rule amount', amount: 1, limit: 99, per: 'total', zone: 'UTC' }] as const;
    await admitMany(subject, key, { count: 4, price: 5, totals });
    for (let at = 0; at < 4; at += 1) await calls.admit(key, 5);
    expect(await calls.usage(key)).toMatchObject({ 'key:AAAAAAAA budget total': [0, 40] });
    const none = [calls.admit(key, 5, { lease: { calls: 1, ms: 5 } }), calls.admit(key, 5, { lease: { calls: 5, ms: Number.NaN } })];
    for (const answer of none) await expect(answer).rejects.toThrow('A lease is for');
  });

  test('is counted by usage and by preview, and reported to thresholds only when it is spent', async () => {
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(100)] });
    await calls.spend(key, 20);
    const ids = await admitMany(subject, key, { count: 4, price: 3, lease: { calls: 50, ms: 60_000 } });
    // (100 - 20 - 2 * 3) / 8 / 3 is 3.
    expect(await calls.usage(key)).toEqual({ 'key:AAAAAAAA budget total': [20, 12] });
    const preview = (price: number) => subject.ledger.preview({ key, ancestors: [], counts: true, price: price as never, now: start });
    expect(await preview(69)).toMatchObject({ spent: 20, held: 12 });
    expect(await preview(68)).toBeUndefined();
    for (const id of ids) await calls.settle(key, id, 3);
    expect(await calls.thresholds()).toEqual([]);
    expect((await calls.admit(key, 18)).kind).toBe('admitted');
    await calls.settle(key, 'r6', 18);
    expect(await calls.thresholds()).toMatchObject([{ threshold: 50, spent: '0.00005' }]);
  });
});

describe('a draw', () => {
  test('is refused once the key or its parent is revoked, changed or deleted', async () => {
    const acts = {
      revoked: [(id: string) => subject.keyring.revoke(id, { reason: 'x', at: start, by }), 'dead TOKEN_REVOKED'],
      removed: [(id: string) => subject.keyring.remove(id, { reason: 'x', at: start, by }), 'dead TOKEN_INVALID'],
      changed: [
        async (id: string) => {
          const record = { ...((await subject.keyring.get(id)) ?? testKey(id)), revision: 2, name: 'other' };
          await subject.keyring.replace({ record, expected: 1, fact: { kind: 'key.changed' }, by });
        },
        'stale',
      ],
    } as const;
    for (const [what, [act, answer]] of Object.entries(acts)) {
      for (const whose of ['TOP', 'LEAF']) {
        const [topId, leafId] = [`TOP${what}${whose}`, `LEAF${what}${whose}`];
        const top = await calls.minted(topId, { budgets: [budget(10_000)] });
        const leaf = await calls.minted(leafId, { parentIds: [topId] });
        const [, second = ''] = await admitMany(subject, leaf, { count: 3, price: 5, ancestors: [top] });
        await act(whose === 'TOP' ? topId : leafId);
        const refused = await calls.admit(leaf, 5, { lease: terms, ancestors: [top] });
        expect([refused.kind, 'reason' in refused && refused.reason].filter(Boolean).join(' ')).toBe(answer);
        // What was not drawn is back at once, what runs is settled as ever.
        if (answer !== 'dead TOKEN_INVALID') expect(await calls.usage(top)).toEqual({ [`key:${topId} budget total`]: [0, 15] });
        await calls.settle(leaf, second, 5);
      }
    }
    expect(await records('call.refused')).toHaveLength(4);
  });

  test('is refused when the key expires', async () => {
    const key = await calls.minted('AAAAAAAA', { expiresAt: start + 5000 });
    await admitMany(subject, key, { count: 3, price: 0 });
    subject.clock.step(4999);
    await admitMany(subject, key, { count: 1, price: 0 });
    subject.clock.step(1);
    expect(await calls.admit(key, 0, { lease: terms })).toEqual({ kind: 'dead', reason: 'TOKEN_EXPIRED' });
  });

  test('belongs to the window of its own time, however the clock jumps', async () => {
    await subject.close();
    // Only the clock on the wall jumps: the process goes on drawing from the lease that it has.
    subject = await openLeased(server, { clock: { ...steppedClock(), monotonic: () => 0 } });
    ({ calls } = subject);
    const key = await calls.minted('AAAAAAAA', { budgets: [budget(1000, 'minute')], caps: [cap(1000, 'hour')] });
    const ids = await admitMany(subject, key, { count: 3, price: 5 });
    for (const [step, admitted] of [
      [minute - 1, 2],
      [1, 3],
      [-minute, 1],
      [5 * hour, 2],
    ] as const) {
      subject.clock.step(step);
      ids.push(...(await admitMany(subject, key, { count: admitted, price: 5 })));
    }
    for (const id of ids) await calls.settle(key, id, 5);
    await subject.giveBack();
    const spentAt = async (now: number) =>
      (await subject.ledger.usage({ key, ancestors: [], now })).map(({ spent, held }) => [spent, held]);
    expect(await spentAt(start)).toEqual([
      [9, 0],
      [30, 0],
    ]);
    expect(await spentAt(start + minute)).toEqual([
      [9, 0],
      [15, 0],
    ]);
    expect(await spentAt(start + 5 * hour)).toEqual([
      [2, 0],
      [10, 0],
    ]);
  });

  test('is judged by the limits that an account has now', async () => {
    await calls.funded('acme', 10_000, { budgets: [budget(9000)] });
    await acquaint(subject, 'acme');
    const key = await calls.minted('AAAAAAAA', { accountId: 'acme' });
    await admitMany(subject, key, { count: 4, price: 10 });
    await subject.ledger.limitAccount({ id: 'acme', budgets: [budget(39)], now: start, by: { kind: 'account.limited' } });
    expect(await calls.admit(key, 10, { lease: terms })).toMatchObject({ kind: 'limited', breach: { limit: 39 } });
    expect(await subject.ledger.account('acme')).toMatchObject({ held: 40 });
  });
});
