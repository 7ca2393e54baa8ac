import { describe, expect, test } from 'vitest';
import { addedTo, type CounterBook, standingAt, toldIn, windowAt } from '../../src/domain/counters.ts';
import { accountLimitsOf, countsAgainst, limitsOf } from '../../src/domain/limits.ts';
import { budget, cap } from '../ports/calls.ts';
import { hour, micros, minute, plainCalendar, start, testKey } from '../ports/subject.ts';

const key = testKey('AAAAAAAA', {
  maxUses: 7,
  caps: [{ calls: 2, per: 'hour', zone: 'UTC', tool: 'get_*' }],
  budgets: [
    { amount: micros(10), per: 'day', zone: 'Europe/Berlin' },
    { amount: micros(99), per: 'total', zone: 'UTC' },
  ],
});

describe('limitsOf', () => {
  const limits = limitsOf(key, plainCalendar, start + 5 * minute);

  test('uses, caps and budgets, each in the window of the moment', () => {
    expect(limits.map(({ limitName, unit, limit, start: from, end }) => [limitName, unit, limit, from, end])).toEqual([
      ['key:AAAAAAAA uses', 'calls', 7, 0, undefined],
      ['key:AAAAAAAA cap hour get_*', 'calls', 2, start, start + hour],
      ['key:AAAAAAAA budget day', 'micros', 10, start - 12 * hour, start + 12 * hour],
      ['key:AAAAAAAA budget total', 'micros', 99, 0, undefined],
    ]);
    expect(new Set(limits.map(({ counter }) => counter)).size).toBe(4);
  });

  test('a total never asks the calendar', () => {
    const none = { window: () => expect.unreachable() };
    expect(limitsOf(testKey('B', { budgets: [{ amount: micros(1), per: 'total', zone: 'Nowhere/At_All' }] }), none, start)).toHaveLength(1);
  });

  test('what counts against what', () => {
    const counted = (call: { tool: string | undefined; price: number }) =>
      limits.filter((limit) => countsAgainst(limit, call)).map(({ unit, counter }) => `${unit} ${counter.split(' ')[0]}`);
    expect(counted({ tool: 'get_page', price: 0 })).toEqual(['calls uses', 'calls calls']);
    expect(counted({ tool: 'write', price: 1 })).toEqual(['calls uses', 'micros micros', 'micros micros']);
    expect(counted({ tool: undefined, price: 0 })).toEqual(['calls uses']);
  });

  test('budgets of tools count priced calls of those tools, each in a counter of its own', () => {
    const budgets = [budget(1, 'day'), budget(1, 'day', { tool: 'get_*' }), budget(1, 'day', { tool: 'get_a', soft: true })];
    const own = limitsOf(testKey('A', { budgets }), plainCalendar, start);
    const counted = (tool: string | undefined, price: number) =>
      own.filter((limit) => countsAgainst(limit, { tool, price })).map(({ limitName }) => limitName);
    expect(counted('get_a', 1)).toEqual(['key:A budget day', 'key:A budget day get_*', 'key:A budget day get_a']);
    expect(counted('get_b', 1)).toEqual(['key:A budget day', 'key:A budget day get_*']);
    expect(counted(undefined, 1)).toEqual(['key:A budget day']);
    expect(counted('get_a', 0)).toEqual([]);
    expect(new Set(own.map(({ counter }) => counter)).size).toBe(3);
    expect(own.map(({ soft }) => soft)).toEqual([false, false, true]);
  });

  test('two limits share a counter where they count the same, whatever they allow', () => {
    const caps = [cap(1, 'day'), cap(2, 'day', { soft: true }), cap(1, 'day', { zone: 'Europe/Berlin' }), cap(1, 'hour')];
    const counters = limitsOf(testKey('A', { caps }), plainCalendar, start).map(({ counter }) => counter);
    expect(counters[0]).toBe(counters[1]);
    expect(new Set(counters).size).toBe(3);
    const totals = [cap(1, 'total'), cap(1, 'total', { zone: 'Europe/Berlin' })];
    expect(new Set(limitsOf(testKey('A', { caps: totals }), plainCalendar, start).map(({ counter }) => counter)).size).toBe(1);
  });

  test('limits of an account are named after it and read counters that no key has', () => {
    const account = { id: 'acme', budgets: [budget(5, 'hour', { tool: 'get_*' })], caps: [cap(3, 'total', { soft: true })] };
    expect(accountLimitsOf(account, plainCalendar, start + 5 * minute)).toMatchObject([
      { holder: 'account:acme', limitName: 'account:acme cap total', unit: 'calls', limit: 3, soft: true, start: 0 },
      { holder: 'account:acme', limitName: 'account:acme budget hour get_*', unit: 'micros', limit: 5, start, end: start + hour },
    ]);
  });
});

describe('counters', () => {
  const add = (book: CounterBook, at: number, spent: number, held: number) => addedTo(book, 'c', at, { spent, held });

  test('each window is counted for itself and the old book stays as it was', () => {
    const one = add({}, 10, 5, 1);
    const two = add(add(one, 10, 1, -1), 20, 2, 0);
    expect([standingAt(two, 'c', 10), standingAt(two, 'c', 20), standingAt(two, 'c', 30), standingAt(two, 'other', 10)]).toMatchObject([
      { spent: 6, held: 0 },
      { spent: 2, held: 0 },
      { spent: 0, held: 0 },
      { spent: 0, held: 0 },
    ]);
    expect(standingAt(one, 'c', 10)).toMatchObject({ spent: 5, held: 1 });
  });

  test('ended windows are dropped, but never one that holds', () => {
    let book = add({}, 0, 0, 9);
    for (let at = 1; at <= 50; at += 1) book = add(book, at, 1, 0);
    expect(book.c?.map((window) => window.start)).toEqual([50, 49, 48, 0]);
    expect(standingAt(book, 'c', 0)).toMatchObject({ held: 9 });
    // What was counted in last stays until something else is counted.
    const ended = add(book, 0, 9, -9);
    expect(standingAt(ended, 'c', 0)).toMatchObject({ spent: 9, held: 0 });
    expect(add(ended, 50, 1, 0).c).toHaveLength(3);
  });

  test('nothing falls below zero', () => {
    expect(() => add({}, 0, -1, 0)).toThrow(RangeError);
    expect(() => add(add({}, 0, 0, 1), 0, 1, -2)).toThrow(RangeError);
  });

  test('nothing is counted beyond what numbers hold exactly', () => {
    const full = add({}, 0, Number.MAX_SAFE_INTEGER, 0);
    expect(() => add(full, 0, 0, 1)).toThrow(RangeError);
    expect(() => add({}, 0, Number.NaN, 0)).toThrow(RangeError);
  });

  test('what was reported is kept with its window, through later counts, and goes with it', () => {
    const told = (book: CounterBook, at: number) => windowAt(book, { counter: 'c', start: at })?.told;
    let book = toldIn(add({}, 1, 5, 0), { counter: 'c', start: 1, limit: '__proto__', threshold: 50 });
    book = add(toldIn(book, { counter: 'c', start: 1, limit: 'b', threshold: 80 }), 1, 1, 0);
    expect(Object.entries(told(book, 1) ?? {})).toEqual([
      ['__proto__', 50],
      ['b', 80],
    ]);
    expect(standingAt(book, 'c', 1)).toMatchObject({ spent: 6, held: 0 });
    book = toldIn(book, { counter: 'c', start: 2, limit: 'b', threshold: 100 });
    expect([told(book, 2), standingAt(book, 'c', 2)]).toMatchObject([{ b: 100 }, { spent: 0, held: 0 }]);
    for (let at = 3; at <= 5; at += 1) book = add(book, at, 1, 0);
    expect(told(book, 1)).toBeUndefined();
  });

  test('counter names may hold any tool name', () => {
    const book = addedTo({}, '__proto__ x', 0, { spent: 1, held: 0 });
    expect(standingAt(book, '__proto__ x', 0)).toMatchObject({ spent: 1 });
  });
});
