import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createRetries } from '../../src/adapters/retries.ts';

const faults: string[] = [];
const warnings: string[] = [];
const log = {
  note: () => undefined,
  warn: (message: string) => void warnings.push(message),
  fault: (message: string) => void faults.push(message),
};
const clock = { now: () => Date.now(), monotonic: () => Date.now() };

beforeEach(() => {
  vi.useFakeTimers();
  faults.length = 0;
  warnings.length = 0;
});
afterEach(() => vi.useRealTimers());

test('an act is tried with growing pauses until it succeeds, and then no more', async () => {
  const times: number[] = [];
  const start = Date.now();
  const act = async () => {
    times.push(Date.now() - start);
    if (times.length < 4) throw new Error('not yet');
  };
  createRetries({ clock, log }).keepTrying({ what: 'settling', act, until: start + 60_000, facts: {} });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(times).toEqual([200, 600, 1_400, 3_000]);
  expect(faults).toEqual([]);
});

test('it is given up when the time has passed, and told once', async () => {
  let tries = 0;
  const act = async () => {
    tries += 1;
    throw new Error('gone');
  };
  createRetries({ clock, log }).keepTrying({ what: 'settling', act, until: Date.now() + 3_000, facts: { requestId: 'q1' } });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(tries).toBeGreaterThan(2);
  expect(tries).toBeLessThan(6);
  expect(faults).toEqual(['settling failed until it was too late']);
});

test('no more wait than the bound says, and none after the end', async () => {
  let tries = 0;
  const retries = createRetries({ clock, log, waitingMax: 2 });
  const act = async () => {
    tries += 1;
    throw new Error('gone');
  };
  for (let one = 0; one < 5; one += 1) retries.keepTrying({ what: 'settling', act, until: Date.now() + 60_000, facts: {} });
  await vi.advanceTimersByTimeAsync(200);
  expect(tries).toBe(2);
  expect(warnings).toHaveLength(3);
  retries.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(tries).toBe(2);
});
