import { describe, expect, test } from 'vitest';
import { checkTotals, knownTotals, totalCounter, totalName } from '../../src/domain/totals.ts';

const total = (amount: number, limit = 100, per: 'day' | 'hour' | 'total' = 'day') => ({
  name: 'rule amount',
  amount,
  limit,
  per,
  zone: 'UTC',
});

describe('checkTotals', () => {
  test.each([
    ['a negative share', [total(-1)]],
    ['a fraction', [total(0.5)]],
    ['no number', [total(Number.NaN)]],
    ['a share beyond 2^53', [total(2 ** 53)]],
    ['an endless limit', [total(1, Number.POSITIVE_INFINITY)]],
    ['two shares of one total', [total(1), total(2)]],
    ['two shares of one total that never resets, in two zones', [total(1, 9, 'total'), { ...total(2, 9, 'total'), zone: 'Europe/Berlin' }]],
  ])('%s is a fault', (_what, totals) => {
    expect(() => checkTotals(totals)).toThrow();
  });

  test('one share under two limits, and shares of two windows, are fine', () => {
    expect(() => checkTotals([total(1, 5), total(1, 9), total(2, 9, 'hour')])).not.toThrow();
  });
});

test('what is known of a total is its tighter limit, under the name of its counter', () => {
  const known = knownTotals([total(3, 50), total(3, 20)]);
  expect([...known]).toEqual([['total rule amount day UTC', { name: 'rule amount', per: 'day', zone: 'UTC', limit: 20 }]]);
  expect(totalCounter({ ...total(1, 9, 'total'), zone: 'Europe/Berlin' })).toBe(totalCounter(total(2, 9, 'total')));
  expect(totalName('T', total(1))).toBe('key:T total rule amount day');
});
