import { expect, test } from 'vitest';
import { createBackOff } from '../../../../src/adapters/upstream/duplex/back-off.ts';

function prepare() {
  let now = 1_000;
  const backOff = createBackOff({ monotonic: () => now });
  const pass = (ms: number): void => {
    now += ms;
  };
  return { backOff, pass };
}

test('doubles after each failure, up to half a minute, for each name apart', () => {
  const { backOff, pass } = prepare();
  const waits = Array.from({ length: 7 }, () => {
    backOff.failed('a');
    const wait = backOff.waitMs('a');
    pass(wait);
    expect(backOff.waitMs('a')).toBe(0);
    return wait;
  });
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  expect(backOff.waitMs('b')).toBe(0);
});

test('counts down, and forgets a failure that was long ago', () => {
  const { backOff, pass } = prepare();
  backOff.failed('a');
  pass(400);
  expect(backOff.waitMs('a')).toBe(600);
  backOff.failed('a');
  expect(backOff.waitMs('a')).toBe(2_000);
  pass(62_000);
  backOff.failed('a');
  expect(backOff.waitMs('a')).toBe(1_000);
});

test('remembers a bounded number of names', () => {
  const { backOff } = prepare();
  for (let at = 0; at <= 10_000; at += 1) backOff.failed(`key ${at}`);
  expect(backOff.waitMs('key 0')).toBe(0);
  expect(backOff.waitMs('key 10000')).toBe(1_000);
});
