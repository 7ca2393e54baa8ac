import { expect, it } from 'vitest';
import { createMeter } from '../../src/domain/meter.ts';

it('pays until it is exhausted, and anew after a reset', () => {
  const meter = createMeter();
  expect(meter.spend(1_000_000)).toBe(true);
  expect(meter.exhausted).toBe(false);
  expect(meter.spend(1)).toBe(false);
  expect(meter.spend(0)).toBe(false);
  expect(meter.exhausted).toBe(true);
  meter.reset();
  expect(meter.spend(1)).toBe(true);
});
