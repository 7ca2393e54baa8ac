import { expect, it } from 'vitest';
import { inTurns } from '../../src/edges/in-turns.ts';

it('at most so many at a time, results in the order of the items', async () => {
  let running = 0;
  let most = 0;
  const waits = Array.from({ length: 7 }, () => Promise.withResolvers<void>());
  const all = inTurns(waits, 3, async (wait) => {
    running += 1;
    most = Math.max(most, running);
    await wait.promise;
    running -= 1;
    return waits.indexOf(wait);
  });
  for (const wait of [...waits].reverse()) {
    wait.resolve();
    await Promise.resolve();
  }
  expect(await all).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(most).toBe(3);
  expect(await inTurns([], 3, async () => 1)).toEqual([]);
});
