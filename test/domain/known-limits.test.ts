import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKnownLimits } from '../../src/domain/known-limits.ts';
import { limitsOf } from '../../src/domain/limits.ts';
import { budget, cap } from '../ports/calls.ts';
import { day, hour, plainCalendar, start, testKey } from '../ports/subject.ts';

test('limits are remembered while their windows go on, and are the next ones when the first of them ends', () => {
  const limits = createKnownLimits(plainCalendar);
  const key = testKey('A', { maxUses: 3, budgets: [budget(100, 'hour'), budget(500, 'day')], caps: [cap(5, 'total')] });
  const first = limits(key, start);
  expect(limits(key, start + hour - 1)).toBe(first);
  expect(limits(key, start + hour)).not.toBe(first);
  expect(limits(key, start + hour)).toEqual(limitsOf(key, plainCalendar, start + hour));
});

test('a record is remembered by itself: another one of the same key has its own limits', () => {
  const limits = createKnownLimits(plainCalendar);
  const key = testKey('A', { budgets: [budget(100, 'day')] });
  expect(limits(key, start)[0]?.limit).toBe(100);
  expect(limits({ ...key, budgets: [budget(7, 'day')] }, start)[0]?.limit).toBe(7);
});

test('a key without windows has its limits for good', () => {
  const limits = createKnownLimits(plainCalendar);
  const key = testKey('A', { maxUses: 3 });
  expect(limits(key, start + 1000 * day)).toBe(limits(key, start));
  expect(limits(testKey('B'), start)).toEqual([]);
});

test('whatever the clock does, the answer is that of limitsOf', () => {
  const limits = createKnownLimits(plainCalendar);
  const key = testKey('A', { maxUses: 1, budgets: [budget(1, 'hour'), budget(2, 'day')] });
  const times = fc.array(fc.integer({ min: -3 * day, max: 3 * day }), { maxLength: 30 });
  fc.assert(
    fc.property(times, (offsets) => {
      for (const offset of offsets) expect(limits(key, start + offset)).toEqual(limitsOf(key, plainCalendar, start + offset));
    }),
    { seed: 7 },
  );
});
