import { expect, it } from 'vitest';
import { pauseAfter } from '../../../src/adapters/workers/pause.ts';

it('after a good life another begins at once; where each dies at once the pauses grow to half a minute', () => {
  expect(pauseAfter({ livedMs: 10_000, pausedMs: 8_000 })).toBe(0);
  const pauses: number[] = [];
  for (let pausedMs = 0; pauses.length < 9; pauses.push(pausedMs)) pausedMs = pauseAfter({ livedMs: 100, pausedMs });
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});
