import { expect, it } from 'vitest';
import type { Measured, Way } from '../../load/measure.ts';
import { alternate, ratioOf, spreadOf } from '../../load/spread.ts';

const way = (name: string): Way => ({ name, title: name, url: '', headers: {}, body: '', answer: '', pids: [] });
const measured = (more: Partial<Measured>): Measured => ({
  ...{ calls: 10, callsPerSecond: 10, p50: 1, p99: 2, p999: 3, cpuPerCall: 4, residentBytes: 0, wrong: 0 },
  ...more,
});

it('a spread is the median, the least and the most', () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
  expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
  expect(spreadOf([]).median).toBeNaN();
});

it('ratios are of figures of the same round, not of medians', () => {
  const rounds = new Map([
    ['one', [10, 40, 90].map((cpuPerCall) => measured({ cpuPerCall }))],
    ['other', [10, 20, 30].map((cpuPerCall) => measured({ cpuPerCall }))],
  ]);
  expect(ratioOf(rounds, 'one', 'other', ({ cpuPerCall }) => cpuPerCall)).toEqual({ median: 2, min: 1, max: 3 });
  expect(ratioOf(rounds, 'one', 'nobody', ({ cpuPerCall }) => cpuPerCall).median).toBeNaN();
});

it('ways are warmed by calls, then measured in turn, each round beginning with another', async () => {
  const seen: string[] = [];
  const wrong: string[] = [];
  const rounds = await alternate([way('a'), way('b'), way('c')], {
    ...{ rounds: 3, warming: { calls: 20, seconds: 60 }, wrong },
    measure: async ({ name }) => {
      seen.push(name);
      return measured({ wrong: name === 'b' && seen.length === 3 ? 4 : 0 });
    },
  });
  expect(seen.join('')).toBe(['aabbcc', 'abc', 'bca', 'cab'].join(''));
  expect([...rounds].map(([name, all]) => [name, all.length])).toEqual([
    ['a', 3],
    ['b', 3],
    ['c', 3],
  ]);
  expect(wrong).toEqual(['b: 4 answers of 10 were wrong']);
});
