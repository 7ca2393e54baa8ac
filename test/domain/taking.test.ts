import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KeyRecord } from '../../src/domain/key.ts';
import { type Call, hasRoom, limitKey, payingAccount, planTakings, thresholdReached, totalsHolder } from '../../src/domain/taking.ts';
import { budget, cap } from '../ports/calls.ts';
import { day, hour, plainCalendar, start, testKey } from '../ports/subject.ts';

const plan = (
  keys: readonly [KeyRecord, ...KeyRecord[]],
  call: Partial<Call> = {},
  account?: Parameters<typeof planTakings>[0]['account'],
) => planTakings({ keys, account, call: { counts: true, tool: 'get_page', price: 7, now: start, ...call }, calendar: plainCalendar });
const named = (takings: ReturnType<typeof plan>) => takings.flatMap(({ limits }) => limits.map(({ limitName }) => limitName));
const share = { name: 'rule amount', amount: 30, limit: 100, per: 'hour', zone: 'UTC' } as const;

describe('planTakings', () => {
  test('states what is taken of which counter in which window, and how it settles', () => {
    const key = testKey('A', { maxUses: 3, budgets: [budget(100, 'hour')] });
    expect(plan([key], { totals: [share] })).toEqual([
      {
        ...{ holder: 'A', counter: 'uses', start: 0, end: undefined, unit: 'calls', amount: 1, settling: 'at-once' },
        limits: [{ limitName: 'key:A uses', reason: 'CAP_EXCEEDED', limit: 3, soft: false }],
      },
      {
        ...{ holder: 'A', counter: 'micros hour UTC', start, end: start + hour, unit: 'micros', amount: 7, settling: 'by-charge' },
        limits: [{ limitName: 'key:A budget hour', reason: 'BUDGET_EXHAUSTED', limit: 100, soft: false }],
      },
      {
        ...{
          holder: 'A',
          counter: 'total rule amount hour UTC',
          start,
          end: start + hour,
          unit: 'micros',
          amount: 30,
          settling: 'by-share',
        },
        limits: [{ limitName: 'key:A total rule amount hour', reason: 'POLICY_DENIED', limit: 100, soft: false }],
      },
    ]);
  });

  test('in the order of judgement: key, parents upward, account, totals of the topmost', () => {
    const top = testKey('T', { budgets: [budget(1)] });
    const middle = testKey('M', { caps: [cap(1)] });
    const leaf = testKey('L', { budgets: [budget(1)] });
    const account = { id: 'acme', budgets: [budget(1)], caps: [] };
    expect(named(plan([leaf, middle, top], { totals: [share] }, account))).toEqual([
      'key:L budget total',
      'key:M cap total',
      'key:T budget total',
      'account:acme budget total',
      'key:T total rule amount hour',
    ]);
    expect(totalsHolder([leaf, middle, top])).toBe('T');
  });

  test('limits of one counter take it once; what only is recorded takes shares alone', () => {
    const key = testKey('A', { budgets: [budget(5, 'day', { soft: true }), budget(9, 'day')], caps: [cap(1)] });
    const takings = plan([key]);
    expect(takings).toHaveLength(2);
    expect(takings[1]?.limits.map(({ limit, soft }) => [limit, soft])).toEqual([
      [5, true],
      [9, false],
    ]);
    expect(named(plan([key], { counts: false, price: 0, totals: [share] }))).toEqual(['key:A total rule amount hour']);
    expect(named(plan([key], { price: 0 }))).toEqual(['key:A cap total']);
  });
});

test('each total is taken once, in the window of the moment, by the share that was stated', () => {
  const total = (limit: number) => ({ ...share, amount: 3, limit, per: 'day' }) as const;
  const takings = plan([testKey('T')], { totals: [total(50), total(20), share], now: start + 5 });
  expect(
    takings.map(({ counter, start: from, end, amount, limits }) => [counter, from, end, amount, limits.map(({ limit }) => limit)]),
  ).toEqual([
    ['total rule amount day UTC', start - day / 2, start + day / 2, 3, [50, 20]],
    ['total rule amount hour UTC', start, start + hour, 30, [100]],
  ]);
  expect(() => plan([testKey('T')], { totals: [share, { ...share, amount: 31 }] })).toThrow('one share');
});

test('room is up to the limit and not beyond, also where numbers end', () => {
  const limit = (most: number) => ({ limitName: 'l', reason: 'BUDGET_EXHAUSTED', limit: most, soft: false }) as const;
  expect([5, 6].map((amount) => hasRoom(limit(10), { spent: 3, held: 2 }, amount))).toEqual([true, false]);
  expect(hasRoom(limit(Number.MAX_SAFE_INTEGER), { spent: Number.MAX_SAFE_INTEGER, held: 0 }, 1)).toBe(false);
  for (const none of [Number.NaN, Number.NEGATIVE_INFINITY]) expect(hasRoom(limit(none), { spent: 0, held: 0 }, 0)).toBe(false);
});

test('only live keys pay from an account', () => {
  expect(payingAccount(testKey('A', { accountId: 'acme' }))).toBe('acme');
  expect(payingAccount(testKey('A', { accountId: 'acme', environment: 'test' }))).toBeUndefined();
  expect(payingAccount(testKey('A'))).toBeUndefined();
});

describe('thresholdReached', () => {
  const thresholds = [50, 80, 100];

  test('the highest that is reached, exactly at its percentage', () => {
    const reached = [0, 49, 50, 79, 80, 99, 100, 250].map((spent) => thresholdReached({ spent, limit: 100, thresholds }));
    expect(reached).toEqual([0, 0, 50, 50, 80, 80, 100, 100]);
    expect(thresholdReached({ spent: 0, limit: 0, thresholds })).toBe(100);
    expect(thresholdReached({ spent: 9, limit: 9, thresholds: [] })).toBe(0);
  });

  test('never rounds, up to the largest amounts', () => {
    const amounts = fc.record({ spent: fc.maxSafeNat(), limit: fc.maxSafeNat(), threshold: fc.integer({ min: 1, max: 100 }) });
    fc.assert(
      fc.property(amounts, ({ spent, limit, threshold }) => {
        const exact = BigInt(spent) * 100n >= BigInt(limit) * BigInt(threshold);
        expect(thresholdReached({ spent, limit, thresholds: [threshold] })).toBe(exact ? threshold : 0);
      }),
      { seed: 20_260_715 },
    );
    expect(thresholdReached({ spent: 5e14 - 1, limit: 1e15, thresholds })).toBe(0);
  });

  test('what is no amount is never reached, and stands in no commit’s way', () => {
    for (const limit of [Number.NaN, Number.POSITIVE_INFINITY, 0.5]) expect(thresholdReached({ spent: 5, limit, thresholds })).toBe(0);
    expect(thresholdReached({ spent: Number.NaN, limit: 5, thresholds })).toBe(0);
  });
});

test('a limit that allows another amount is another limit', () => {
  expect(limitKey({ limitName: 'key:A budget day', limit: 5 })).not.toBe(limitKey({ limitName: 'key:A budget day', limit: 50 }));
});
