import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type KnownAccount, type PlannedCall, planText } from '../../../src/adapters/redis/plan.ts';
import { createPlans } from '../../../src/adapters/redis/plans.ts';
import { createCalendar } from '../../../src/domain/calendar.ts';
import { budget, cap } from '../../ports/calls.ts';
import { day, hour, micros, minute, start, testKey } from '../../ports/subject.ts';

const seed = 20_260_715;
const calendar = createCalendar();
const zone = 'Europe/Berlin';
const top = testKey('TOP00000', { budgets: [budget(1000, 'month', { zone })] });
const tops = [[top], [{ ...top, revision: 2 }], []] as const;
const keys = [
  testKey('AAAAAAAA', {
    parentIds: ['TOP00000'],
    budgets: [budget(100, 'day', { zone }), budget(100)],
    caps: [cap(5, 'hour', { tool: 'get*' })],
  }),
  testKey('BBBBBBBB', { maxUses: 3 }),
  testKey('CCCCCCCC'),
] as const;
const accounts: readonly (KnownAccount | undefined)[] = [
  undefined,
  { id: 'acme', revision: 1, budgets: [], caps: [] },
  { id: 'acme', revision: 2, budgets: [budget(50, 'day', { zone })], caps: [] },
];

test('a plan that is remembered is the one that would be made anew, whatever the time and whatever differs', () => {
  // Around the ends of windows, where clocks that differ go back and forth; in summer and where summer time ends.
  const now = fc.record({
    base: fc.constantFrom(start, Date.UTC(2026, 9, 24, 22), Date.UTC(2026, 9, 25, 1)),
    off: fc.integer({ min: -2 * day, max: 2 * day }),
  });
  const times = now.map(({ base, off }) => base + (off % 3 === 0 ? Math.round(off / hour) * hour + (off % (2 * minute)) : off));
  const step = fc.record({
    now: times,
    key: fc.constantFrom(...keys),
    ancestors: fc.constantFrom(...tops),
    account: fc.constantFrom(...accounts),
    counts: fc.boolean(),
    tool: fc.constantFrom(undefined, 'get_a', 'put'),
    price: fc.constantFrom(0, 7),
    onExpiry: fc.constantFrom(undefined, 'full' as const, 'none' as const),
    total: fc.option(fc.nat(3), { freq: 5 }),
    again: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const plans = createPlans(calendar);
      let before: { call: PlannedCall; account: KnownAccount | undefined } | undefined;
      for (const { now, account, onExpiry, total, again, price, ...rest } of steps) {
        const share = total === null ? [] : [{ name: 'sum', amount: total, limit: 10, per: 'day', zone } as const];
        const fresh = { call: { ...rest, now, price: micros(price), totals: share, ...(onExpiry && { onExpiry }) }, account };
        // Half of them are like the one before, at another time.
        const { call, account: paying } = again && before ? { ...before, call: { ...before.call, now } } : fresh;
        before = { call, account: paying };
        expect(plans(call, paying)).toBe(planText({ call, account: paying, calendar }));
      }
    }),
    { numRuns: 300, seed },
  );
});
