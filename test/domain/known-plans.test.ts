import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKnownPlans } from '../../src/domain/known-plans.ts';
import type { AccountLimits } from '../../src/domain/limits.ts';
import { type Call, planTakings } from '../../src/domain/taking.ts';
import { budget, cap } from '../ports/calls.ts';
import { day, hour, plainCalendar, start, testKey } from '../ports/subject.ts';

const key = testKey('A', { maxUses: 3, budgets: [budget(100, 'hour'), budget(500, 'day')], caps: [cap(5, 'total')] });
const parent = testKey('P', { budgets: [budget(1000, 'day')] });
const account: AccountLimits = { id: 'acme', budgets: [budget(50, 'day')], caps: [] };
const call = (changes: Partial<Call> = {}): Call => ({ counts: true, tool: 'get_page', price: 7, now: start, ...changes });
const taken = (plan: { takings: readonly { amount: number }[] }) => plan.takings.map(({ amount }) => amount);

test('a plan is remembered while its windows go on, and is another when the first of them ends', () => {
  const plans = createKnownPlans(plainCalendar);
  const at = (now: number) => plans({ keys: [key], account: undefined, call: call({ now }) });
  const first = at(start);
  expect(at(start + hour - 1)).toBe(first);
  expect(at(start + hour)).not.toBe(first);
  expect(at(start + hour).takings).toEqual(
    planTakings({ keys: [key], account: undefined, call: call({ now: start + hour }), calendar: plainCalendar }),
  );
});

test('what is held is all but what is spent at once', () => {
  const plans = createKnownPlans(plainCalendar);
  const plan = plans({ keys: [key], account: undefined, call: call() });
  expect(plan.held).toEqual(plan.takings.filter(({ settling }) => settling !== 'at-once'));
  expect(plan.held.length).toBeGreaterThan(0);
  expect(plan.held.length).toBeLessThan(plan.takings.length);
});

test('another record of a key, of an ancestor or of the account is another plan', () => {
  const plans = createKnownPlans(plainCalendar);
  const one = plans({ keys: [key, parent], account, call: call() });
  expect(plans({ keys: [key, parent], account: { ...account }, call: call() })).toBe(one);
  expect(plans({ keys: [key], account, call: call() })).not.toBe(one);
  expect(plans({ keys: [key, { ...parent }], account, call: call() })).not.toBe(one);
  expect(plans({ keys: [{ ...key, budgets: [] }, parent], account, call: call() }).takings.length).toBeLessThan(one.takings.length);
  const spent = plans({ keys: [key, parent], account: { ...account, budgets: [budget(9, 'day')] }, call: call() });
  expect(spent.takings.flatMap(({ limits }) => limits).find(({ limitName }) => limitName.startsWith('account'))?.limit).toBe(9);
});

test('calls of one key that differ do not get the plans of each other, nor any the totals of another', () => {
  const plans = createKnownPlans(plainCalendar);
  const ask = (changes: Partial<Call>) => plans({ keys: [key], account: undefined, call: call(changes) });
  for (let time = 0; time < 2; time += 1) {
    expect(taken(ask({ price: 7 }))).toContain(7);
    expect(taken(ask({ price: 8 }))).not.toContain(7);
    expect(ask({ counts: false, price: 0 }).takings).toEqual([]);
    const share = { name: 'rule amount', amount: 30 + time, limit: 100, per: 'hour', zone: 'UTC' } as const;
    expect(taken(ask({ totals: [share] }))).toContain(30 + time);
  }
});

test('whatever is asked in whatever order, the answer is that of planTakings', () => {
  const plans = createKnownPlans(plainCalendar);
  const asked = fc.record({
    keys: fc.constantFrom([key], [key, parent], [parent]) as fc.Arbitrary<[typeof key]>,
    account: fc.constantFrom(undefined, account, { ...account, budgets: [budget(9, 'day')] }),
    tool: fc.constantFrom(undefined, 'get_page', 'put_page'),
    price: fc.constantFrom(0, 7, 8),
    counts: fc.boolean(),
    offset: fc.integer({ min: -2 * day, max: 2 * day }),
  });
  fc.assert(
    fc.property(fc.array(asked, { maxLength: 40 }), (all) => {
      for (const { keys, account: of, offset, ...rest } of all) {
        const one: Call = { ...rest, now: start + offset };
        expect(plans({ keys, account: of, call: one }).takings).toEqual(
          planTakings({ keys, account: of, call: one, calendar: plainCalendar }),
        );
      }
    }),
    { seed: 11 },
  );
});
