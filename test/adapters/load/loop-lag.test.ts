import { expect, it } from 'vitest';
import { sampleEveryMs, watchLoop } from '../../../src/adapters/load/loop-lag.ts';

function watched() {
  let now = 0;
  let sample = (): void => undefined;
  const lag = watchLoop({
    clock: { monotonic: () => now },
    every(_ms, act) {
      sample = act;
      return () => undefined;
    },
  });
  return {
    lag,
    /** The timer comes so much too late. */
    late(ms: number) {
      now += sampleEveryMs + ms;
      sample();
    },
    pass(ms: number) {
      now += ms;
    },
  };
}

it('one long task is remembered for a while and is no standing delay', () => {
  const { lag, late, pass } = watched();
  late(0);
  late(2_000);
  expect([lag.standingMs(), lag.recentMs(), lag.worstMs()]).toEqual([0, 2_000, 2_000]);
  pass(5_001);
  expect([lag.recentMs(), lag.worstMs()]).toEqual([0, 2_000]);
  pass(60_000);
  expect(lag.worstMs()).toBe(0);
});

it('a delay that stays is standing with its fourth sample, and over with the first that is in time', () => {
  const { lag, late } = watched();
  for (const ms of [300, 250, 400]) late(ms);
  expect(lag.standingMs()).toBe(0);
  late(350);
  expect(lag.standingMs()).toBe(250);
  late(0);
  expect(lag.standingMs()).toBe(0);
});

it('the longest delay of the time is found, whatever comes after it', () => {
  const { lag, late } = watched();
  for (const ms of [10, 700, 30, 30, 50, 20]) late(ms);
  expect(lag.worstMs()).toBe(700);
});

it('a timer that is early is not late', () => {
  const { lag, late } = watched();
  for (let at = 0; at < 4; at += 1) late(-5);
  expect(lag.standingMs()).toBe(0);
});
