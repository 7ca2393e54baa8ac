import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import type { RiskLimit } from '../../src/domain/policy.ts';
import { judgeLimits, limitText, toMillionths } from '../../src/domain/risk.ts';

/** A Friday, 13:30 in Berlin. */
const friday = Date.parse('2026-11-20T12:30:00Z');
const everyDay = [1, 2, 3, 4, 5, 6, 7];

function judge(limit: RiskLimit, json = '{}', now = friday) {
  return judgeLimits([limit], { args: JSON.parse(json), now, rule: 'bank.tools[0]' });
}

const passes = (limit: RiskLimit, json?: string, now?: number): boolean => judge(limit, json, now).breach === undefined;

describe('max', () => {
  const limit: RiskLimit = { kind: 'max', argument: 'amount', max: 100_000_000 };

  it.each([
    ['{"amount":100}', true],
    ['{"amount":0}', true],
    ['{"amount":-0}', true],
    ['{"amount":1e2}', true],
    ['{"amount":99.999999}', true],
    ['{"amount":100.0000001}', false],
    ['{"amount":100.01}', false],
    ['{"amount":1e400}', false],
    ['{"amount":1e300}', false],
    ['{"amount":-1}', false],
    ['{"amount":"5"}', false],
    ['{"amount":null}', false],
    ['{"amount":true}', false],
    ['{"amount":[5]}', false],
    ['{"amount":{"valueOf":5}}', false],
    ['{}', false],
    ['{"Amount":5}', false],
  ])('%s passes: %s', (json, answer) => {
    expect(passes(limit, json)).toBe(answer);
  });

  it('says which limit refuses and why, without the value', () => {
    expect(judge(limit, '{"amount":424242}')).toEqual({
      breach: { limit: 'amount max 100', problem: 'The argument amount is more than 100.' },
      totals: [],
    });
    expect(judge(limit, '{}').breach?.problem).toBe('The argument amount is missing.');
  });

  it('refuses arguments that a reader who ignores case would take another value from', () => {
    expect(passes(limit, '{"amount":1,"AMOUNT":1000}')).toBe(false);
    expect(passes(limit, '{"Amount":1000,"amount":1}')).toBe(false);
    expect(passes({ ...limit, argument: 'risk' }, '{"risk":1,"ri\\u017fk":1000}')).toBe(false);
    expect(passes(limit, '{"amount":1,"amounts":1000}')).toBe(true);
  });
});

describe('paths', () => {
  const limit: RiskLimit = { kind: 'max', argument: 'order.legs.amount', max: 5_000_000 };

  it('go through objects alone', () => {
    expect(passes(limit, '{"order":{"legs":{"amount":5}}}')).toBe(true);
    expect(passes(limit, '{"order":{"legs":{"amount":6}}}')).toBe(false);
    expect(passes(limit, '{"order":{"legs":[{"amount":5}]}}')).toBe(false);
    expect(passes(limit, '{"order":"legs"}')).toBe(false);
    expect(passes(limit, '{"order.legs.amount":5}')).toBe(false);
    expect(passes(limit, '{"order":{"legs":{"amount":5},"Legs":{"amount":9}}}')).toBe(false);
    expect(passes({ ...limit, argument: 'list.length' }, '{"list":[1]}')).toBe(false);
    expect(passes({ ...limit, argument: 'list.0' }, '{"list":[1]}')).toBe(false);
  });

  it('A02: names of the object prototype are names like any other', () => {
    for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
      expect(passes({ ...limit, argument: name }, '{}')).toBe(false);
      expect(passes({ ...limit, argument: name }, `{"${name}":5}`)).toBe(true);
      expect(passes({ ...limit, argument: `${name}.length` }, '{}')).toBe(false);
    }
  });

  it('need arguments that are an object', () => {
    for (const json of ['null', '[]', '"amount"', '5']) expect(passes({ ...limit, argument: 'amount' }, json)).toBe(false);
  });
});

describe('oneOf', () => {
  const limit: RiskLimit = { kind: 'oneOf', argument: 'symbol', values: ['BTC', 'ETH', 5, true] };

  it.each([
    ['{"symbol":"BTC"}', true],
    ['{"symbol":5}', true],
    ['{"symbol":true}', true],
    ['{"symbol":"btc"}', false],
    ['{"symbol":"5"}', false],
    ['{"symbol":["BTC"]}', false],
    ['{"symbol":null}', false],
    ['{}', false],
  ])('%s passes: %s', (json, answer) => {
    expect(passes(limit, json)).toBe(answer);
  });
});

describe('hours', () => {
  const hours = (from: number, to: number, days = everyDay, zone = 'UTC'): RiskLimit => ({ kind: 'hours', from, to, days, zone });
  const at = (text: string): number => Date.parse(text);

  it.each([
    ['2026-11-20T07:59:59.999Z', false],
    ['2026-11-20T08:00:00Z', true],
    ['2026-11-20T17:59:59.999Z', true],
    ['2026-11-20T18:00:00Z', false],
  ])('08:00-18:00 at %s: %s', (time, answer) => {
    expect(passes(hours(480, 1080), '{}', at(time))).toBe(answer);
  });

  it('follows the clock on the wall of its zone, also over a change of it', () => {
    const berlin = hours(480, 1080, everyDay, 'Europe/Berlin');
    expect(passes(berlin, '{}', at('2026-10-24T06:00:00Z'))).toBe(true);
    expect(passes(berlin, '{}', at('2026-10-26T06:00:00Z'))).toBe(false);
    expect(passes(berlin, '{}', at('2026-10-26T07:00:00Z'))).toBe(true);
  });

  it('over midnight belongs to the day it begins on', () => {
    const night = hours(1320, 360, [5]);
    expect(passes(night, '{}', at('2026-11-20T21:59:00Z'))).toBe(false);
    expect(passes(night, '{}', at('2026-11-20T22:00:00Z'))).toBe(true);
    expect(passes(night, '{}', at('2026-11-21T05:59:00Z'))).toBe(true);
    expect(passes(night, '{}', at('2026-11-21T06:00:00Z'))).toBe(false);
    expect(passes(night, '{}', at('2026-11-20T05:00:00Z'))).toBe(false);
    expect(passes(hours(1320, 360, [7]), '{}', at('2026-11-23T05:00:00Z'))).toBe(true);
  });

  it('keeps to its days, as its zone counts them', () => {
    const weekdays = hours(0, 1440, [1, 2, 3, 4, 5], 'Pacific/Auckland');
    expect(passes(weekdays, '{}', at('2026-11-20T10:59:00Z'))).toBe(true);
    expect(passes(weekdays, '{}', at('2026-11-20T11:00:00Z'))).toBe(false);
  });
});

describe('total', () => {
  const limit: RiskLimit = { kind: 'total', argument: 'amount', limit: 1_000_000_000, per: 'day', zone: 'UTC' };

  it('gives what the call takes, named for its rule', () => {
    expect(judge(limit, '{"amount":2.5}').totals).toEqual([
      { name: 'bank.tools[0] amount', amount: 2_500_000, limit: 1_000_000_000, per: 'day', zone: 'UTC' },
    ]);
  });

  it.each(['{}', '{"amount":-1}', '{"amount":"1"}', '{"amount":1e10}', '{"amount":null}'])('refuses %s', (json) => {
    expect(judge(limit, json)).toMatchObject({ breach: { limit: 'amount total 1000 per day' }, totals: [] });
  });

  it('takes nothing where another limit refuses', () => {
    const closed: RiskLimit = { kind: 'hours', from: 0, to: 1, days: [1], zone: 'UTC' };
    expect(judgeLimits([limit, closed], { args: { amount: 1 }, now: friday, rule: 'r' }).totals).toEqual([]);
  });
});

describe('toMillionths', () => {
  it.each([
    [1.1, 1_100_000],
    [0.1 + 0.2, 300_001],
    [1e-7, 1],
    [1e-300, 1],
    [0.0000015, 2],
    [1e9, 1_000_000_000_000_000],
    [123456789.123456, 123_456_789_123_456],
  ])('%s', (value, millionths) => {
    expect(toMillionths(value)).toBe(millionths);
  });

  it('is the exact inverse of the decimal text, and never less than the number', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e14 }), (micros) => {
        expect(toMillionths(Number(formatMicros(micros)))).toBe(micros);
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (value) => {
        const millionths = toMillionths(value) ?? Number.NaN;
        expect(Number.isSafeInteger(millionths)).toBe(true);
        expect(millionths / 1e6).toBeGreaterThanOrEqual(value * (1 - 2e-16));
        expect(millionths / 1e6 - value).toBeLessThan(1.1e-6 + value * 2e-16);
      }),
      { numRuns: 2_000 },
    );
  });
});

it('never throws, whatever is sent', () => {
  const limits: RiskLimit[] = [
    { kind: 'max', argument: 'a.b', max: 5 },
    { kind: 'oneOf', argument: 'a', values: ['x'] },
    { kind: 'total', argument: 'a', limit: 5, per: 'total', zone: 'UTC' },
  ];
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.record({ a: fc.jsonValue() })), (args) => {
      for (const limit of limits) judgeLimits([limit], { args, now: friday, rule: 'r' });
    }),
    { numRuns: 1_000 },
  );
});

it('limits are told in words', () => {
  expect(limitText({ kind: 'hours', from: 480, to: 1440, days: [1, 5], zone: 'Europe/Berlin' })).toBe(
    'hours 08:00-24:00 mon fri Europe/Berlin',
  );
  expect(limitText({ kind: 'oneOf', argument: 'symbol', values: ['BTC', 2] })).toBe('symbol one of BTC, 2');
  expect(limitText({ kind: 'total', argument: 'a', limit: 1_500_000, per: 'day', zone: 'Asia/Tokyo' })).toBe(
    'a total 1.5 per day Asia/Tokyo',
  );
});
