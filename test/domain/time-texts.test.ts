import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTimeTexts } from '../../src/domain/time-texts.ts';

test('each time is told as Date tells it, whatever was told before', () => {
  const text = createTimeTexts();
  const times = fc.array(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -1e14, max: 1e14 })));
  fc.assert(
    fc.property(times, (all) => {
      for (const time of all) expect(text(time)).toBe(new Date(time).toISOString());
    }),
    { seed: 3 },
  );
});

test('what is no time is refused, also after it was refused before', () => {
  const text = createTimeTexts();
  for (const time of [Number.NaN, Number.NaN, 9e15, Number.POSITIVE_INFINITY]) expect(() => text(time)).toThrow(RangeError);
  expect(text(0)).toBe('1970-01-01T00:00:00.000Z');
});
