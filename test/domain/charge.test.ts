import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chargeOf, type Ending } from '../../src/domain/charge.ts';
import type { CostReading } from '../../src/domain/cost.ts';
import { type Micros, microsMax } from '../../src/domain/money.ts';
import type { ChargeTerms, Portion, Rule } from '../../src/domain/policy.ts';

const held = 100_000 as Micros;
const endings: readonly Ending[] = ['answered', 'error', 'tool-error', 'timeout', 'lost', 'not-sent'];
const none: ChargeTerms = { error: 'none', toolError: 'none', timeout: 'none', lost: 'none' };
const full: ChargeTerms = { error: 'full', toolError: 'full', timeout: 'full', lost: 'full' };

function charged(rule: Pick<Rule, 'charge' | 'reported'> | undefined, cost?: CostReading): Record<string, number> {
  return Object.fromEntries(endings.map((ending) => [ending, chargeOf({ rule, held, ending, ...(cost && { cost }) }).charge]));
}

const reported = (missing: Portion) => ({ reported: { name: 'example.com/cost', missing } });
const cost = (micros: number): CostReading => ({ cost: micros as Micros });

describe('a fixed price', () => {
  const whole = { answered: held, error: held, 'tool-error': held, timeout: held, lost: held, 'not-sent': 0 };

  it('is charged whole however the call ends, unless nothing was sent', () => {
    expect(charged(undefined)).toEqual(whole);
    expect(charged({})).toEqual(whole);
    expect(charged({ charge: full })).toEqual(whole);
  });

  it.each([
    ['error', 'error'],
    ['toolError', 'tool-error'],
    ['timeout', 'timeout'],
    ['lost', 'lost'],
  ] as const)('charge.%s none is about that ending alone', (member, ending) => {
    expect(charged({ charge: { ...full, [member]: 'none' } })).toEqual({ ...whole, [ending]: 0 });
  });

  it('is charged for an answer whatever the terms say', () => {
    expect(charged({ charge: none })).toEqual({ answered: held, error: 0, 'tool-error': 0, timeout: 0, lost: 0, 'not-sent': 0 });
  });

  it('heeds no reported cost where the rule takes none', () => {
    expect(charged({}, cost(1))).toEqual(whole);
  });

  it('names the ending of a call that was not answered', () => {
    expect(chargeOf({ rule: undefined, held, ending: 'answered' }).facts).toEqual({});
    for (const ending of endings.slice(1)) expect(chargeOf({ rule: undefined, held, ending }).facts).toEqual({ ending });
  });
});

describe('a reported price', () => {
  it('is what the result states; without a result the whole hold', () => {
    const rest = { error: held, timeout: held, lost: held, 'not-sent': 0 };
    expect(charged(reported('none'), cost(30_000))).toEqual({ ...rest, answered: 30_000, 'tool-error': 30_000 });
    expect(charged(reported('none'), cost(0))).toEqual({ ...rest, answered: 0, 'tool-error': 0 });
  });

  it('is capped by the hold, and says so', () => {
    const over = chargeOf({ rule: reported('none'), held, ending: 'answered', cost: cost(held + 1) });
    expect(over).toEqual({ charge: held, facts: { cost: '0.100001', costFault: 'capped' } });
    expect(chargeOf({ rule: reported('none'), held, ending: 'answered', cost: cost(held) }).facts).toEqual({ cost: '0.1' });
  });

  it.each(['missing', 'unreadable', 'negative', 'too-large'] as const)(
    '%s: the rule says what is charged, the outcome says why',
    (fault) => {
      const ends = (missing: Portion) => chargeOf({ rule: reported(missing), held, ending: 'answered', cost: { fault } });
      expect(ends('full')).toEqual({ charge: held, facts: { costFault: fault } });
      expect(ends('none')).toEqual({ charge: 0, facts: { costFault: fault } });
    },
  );

  it('that nobody read is missing', () => {
    expect(chargeOf({ rule: reported('full'), held, ending: 'answered' })).toEqual({ charge: held, facts: { costFault: 'missing' } });
  });

  it('is not charged for a tool error that is not to be paid, and still on record', () => {
    const rule = { ...reported('full'), charge: { ...full, toolError: 'none' } as const };
    const ended = chargeOf({ rule, held, ending: 'tool-error', cost: cost(30_000) });
    expect(ended).toEqual({ charge: 0, facts: { ending: 'tool-error', cost: '0.03' } });
  });
});

describe('any call', () => {
  const portion = fc.constantFrom<Portion>('full', 'none');
  const reading: fc.Arbitrary<CostReading | undefined> = fc.oneof(
    fc.constant(undefined),
    fc.integer({ min: 0, max: microsMax }).map(cost),
    fc.constantFrom('missing', 'unreadable', 'negative', 'too-large').map((fault) => ({ fault }) as CostReading),
  );
  const rule = fc.record(
    {
      charge: fc.record({ error: portion, toolError: portion, timeout: portion, lost: portion }),
      reported: fc.record({ name: fc.constant('n'), missing: portion }),
    },
    { requiredKeys: [] },
  );

  it('is charged from nothing to the hold, nothing where nothing was sent, and all or nothing where no cost was taken', () => {
    fc.assert(
      fc.property(
        fc.option(rule, { nil: undefined }),
        fc.integer({ min: 0, max: microsMax }),
        fc.constantFrom(...endings),
        reading,
        (rule, amount, ending, cost) => {
          const { charge, facts } = chargeOf({ rule, held: amount as Micros, ending, cost });
          expect(Number.isSafeInteger(charge) && charge >= 0 && charge <= amount).toBe(true);
          if (ending === 'not-sent') expect(charge).toBe(0);
          if (facts.cost === undefined) expect([0, amount]).toContain(charge);
          if (amount === 0) expect(facts).toEqual({});
        },
      ),
      { numRuns: 5000 },
    );
  });

  it.each([Number.NaN, -1, 0.5, Number.POSITIVE_INFINITY, 2 ** 53])('a hold of %s is a fault', (amount) => {
    expect(() => chargeOf({ rule: undefined, held: amount as Micros, ending: 'answered' })).toThrow('A hold is a whole number');
  });
});
