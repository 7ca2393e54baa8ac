import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCalendar, zoneProblem } from '../../src/domain/calendar.ts';
import type { Per } from '../../src/domain/key.ts';

const at = (text: string): number => Date.parse(text);
const hours = 3_600_000;

function windowOf(per: Per, zone: string, text: string): string[] {
  const { start, end } = createCalendar().window(per, zone, at(text));
  return [start, end].map((time) => (time === undefined ? 'never' : new Date(time).toISOString().replace(':00.000Z', 'Z')));
}

describe('window', () => {
  it.each<[Per, string, string, string, string]>([
    ['minute', 'UTC', '2026-11-21T10:59:59.999Z', '2026-11-21T10:59Z', '2026-11-21T11:00Z'],
    ['hour', 'UTC', '2026-11-21T10:59:59Z', '2026-11-21T10:00Z', '2026-11-21T11:00Z'],
    ['hour', 'Asia/Kolkata', '2026-11-21T10:45:00Z', '2026-11-21T10:30Z', '2026-11-21T11:30Z'],
    ['day', 'UTC', '2026-11-21T00:00:00Z', '2026-11-21T00:00Z', '2026-11-22T00:00Z'],
    ['day', 'Asia/Kolkata', '2026-11-21T18:29:00Z', '2026-11-20T18:30Z', '2026-11-21T18:30Z'],
    ['week', 'UTC', '2026-11-22T23:59:00Z', '2026-11-16T00:00Z', '2026-11-23T00:00Z'],
    ['week', 'UTC', '2026-11-23T00:00:00Z', '2026-11-23T00:00Z', '2026-11-30T00:00Z'],
    ['month', 'UTC', '2028-02-29T12:00:00Z', '2028-02-01T00:00Z', '2028-03-01T00:00Z'],
    ['month', 'Europe/Berlin', '2026-10-31T23:30:00Z', '2026-10-31T23:00Z', '2026-11-30T23:00Z'],
    ['total', 'UTC', '2026-11-21T10:00:00Z', '1970-01-01T00:00Z', 'never'],
    // The days on which clocks change have 23 and 25 hours.
    ['day', 'America/New_York', '2026-03-08T12:00:00Z', '2026-03-08T05:00Z', '2026-03-09T04:00Z'],
    ['day', 'America/New_York', '2026-11-01T12:00:00Z', '2026-11-01T04:00Z', '2026-11-02T05:00Z'],
    ['week', 'Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-18T22:00Z', '2026-10-25T23:00Z'],
    // Both hours of a fold are windows of their own, also where the fold is half an hour.
    ['hour', 'America/New_York', '2026-11-01T05:30:00Z', '2026-11-01T05:00Z', '2026-11-01T06:00Z'],
    ['hour', 'America/New_York', '2026-11-01T06:30:00Z', '2026-11-01T06:00Z', '2026-11-01T07:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-04-04T14:45:00Z', '2026-04-04T14:00Z', '2026-04-04T15:00Z'],
    ['hour', 'Australia/Lord_Howe', '2026-04-04T15:10:00Z', '2026-04-04T15:00Z', '2026-04-04T15:30Z'],
    ['hour', 'Australia/Lord_Howe', '2026-10-03T15:35:00Z', '2026-10-03T15:30Z', '2026-10-03T16:00Z'],
    // Apia had no 30 December 2011.
    ['day', 'Pacific/Apia', '2011-12-30T09:00:00Z', '2011-12-29T10:00Z', '2011-12-30T10:00Z'],
    ['day', 'Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-30T10:00Z', '2011-12-31T10:00Z'],
    // St. John's went back over midnight: the rest of the old date belongs to the day that has begun.
    ['day', 'America/St_Johns', '2010-11-07T03:00:00Z', '2010-11-07T02:30Z', '2010-11-08T03:30Z'],
  ])('%s in %s at %s', (per, zone, now, start, end) => {
    expect(windowOf(per, zone, now)).toEqual([start, end]);
  });

  it('works a time before the remembered window out anew', () => {
    const calendar = createCalendar();
    const today = calendar.window('day', 'UTC', at('2026-11-21T10:00:00Z'));
    expect(calendar.window('day', 'UTC', at('2026-11-21T23:59:59.999Z'))).toBe(today);
    expect(calendar.window('day', 'UTC', at('2026-11-20T23:59:59.999Z')).end).toBe(today.start);
    expect(calendar.window('day', 'UTC', today.end ?? 0).start).toBe(today.end);
  });

  it('answers from memory without working it out again', () => {
    const calendar = createCalendar();
    const now = at('2026-11-21T10:00:00Z');
    const began = performance.now();
    for (let round = 0; round < 100_000; round += 1) calendar.window('month', 'America/New_York', now + round);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

const zones = ['America/New_York', 'Europe/Berlin', 'Asia/Kolkata', 'Australia/Lord_Howe', 'Pacific/Apia', 'America/St_Johns', 'UTC'];
/** Instants at which the clocks of these zones changed. */
const changes = [
  '2026-03-08T07:00:00Z',
  '2026-11-01T06:00:00Z',
  '2026-03-29T01:00:00Z',
  '2026-10-25T01:00:00Z',
  '2026-04-04T15:00:00Z',
  '2026-10-03T15:30:00Z',
  '2011-12-30T10:00:00Z',
  '2010-11-07T02:31:00Z',
  '2010-03-14T03:31:00Z',
].map(at);
const instants = fc.oneof(
  fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -40 * hours, max: 40 * hours })).map(([change, apart]) => change + apart),
  fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -2, max: 2 })).map(([change, apart]) => change + apart),
  fc.integer({ min: at('2005-01-01'), max: at('2040-01-01') }),
);
const pers = fc.constantFrom<Exclude<Per, 'total'>>('minute', 'hour', 'day', 'week', 'month');

describe('properties', () => {
  it('A33: windows tile time: each instant is in its window, and its neighbours meet it', () => {
    fc.assert(
      fc.property(pers, fc.constantFrom(...zones), instants, (per, zone, now) => {
        const calendar = createCalendar();
        const { start, end } = calendar.window(per, zone, now);
        if (end === undefined) throw new Error('only total never ends');
        expect(start).toBeLessThanOrEqual(now);
        expect(end).toBeGreaterThan(now);
        // A calendar of its own each time, so that nothing is remembered.
        expect(createCalendar().window(per, zone, start)).toEqual({ start, end });
        expect(createCalendar().window(per, zone, end - 1)).toEqual({ start, end });
        expect(createCalendar().window(per, zone, end).start).toBe(end);
        expect(createCalendar().window(per, zone, start - 1).end).toBe(start);
      }),
      { numRuns: 1_500 },
    );
  });

  it('remembers nothing that is wrong, whatever the order of times', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(pers, fc.constantFrom(...zones), instants), { maxLength: 6 }), (asked) => {
        const calendar = createCalendar();
        for (const [per, zone, now] of asked) expect(calendar.window(per, zone, now)).toEqual(createCalendar().window(per, zone, now));
      }),
      { numRuns: 200 },
    );
  });
});

describe('zoneProblem', () => {
  it.each([...zones, 'Asia/Calcutta', 'US/Eastern', 'Etc/GMT+5', 'America/Argentina/Buenos_Aires'])('takes %s', (zone) => {
    expect(zoneProblem(zone)).toBeUndefined();
  });

  it.each([
    '',
    'Mars/Olympus',
    '+02:00',
    'Z',
    'utc',
    'europe/berlin',
    'UTC\n',
    '../etc/passwd',
    '__proto__',
    '2020-01-01T00:00[UTC]',
    'x'.repeat(500),
  ])('refuses %j', (zone) => {
    expect(zoneProblem(zone)).toEqual(expect.any(String));
  });
});
