import { describe, expect, test } from 'vitest';
import { addedTo, type CounterBook, standingAt } from '../../src/domain/counters.ts';
import { countsAgainst, hasRoom, limitsOf } from '../../src/domain/limits.ts';
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

  test('room is up to the limit and not beyond', () => {
    const [uses, , budget] = limits;
    if (!uses || !budget) return expect.unreachable();
    expect([6, 7].map((spent) => hasRoom(uses, { spent, held: 0 }, 1000))).toEqual([true, false]);
    expect([5, 6].map((price) => hasRoom(budget, { spent: 3, held: 2 }, price))).toEqual([true, false]);
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
    expect(add(book, 0, 9, -9).c).toHaveLength(3);
  });

  test('nothing falls below zero', () => {
    expect(() => add({}, 0, -1, 0)).toThrow(RangeError);
    expect(() => add(add({}, 0, 0, 1), 0, 1, -2)).toThrow(RangeError);
  });

  test('counter names may hold any tool name', () => {
    const book = addedTo({}, '__proto__ x', 0, { spent: 1, held: 0 });
    expect(standingAt(book, '__proto__ x', 0)).toMatchObject({ spent: 1 });
  });
});
