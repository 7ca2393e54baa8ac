import { expect, it } from 'vitest';
import { createAskedThrottle } from '../../../src/adapters/workers/asked-throttle.ts';
import type { Take } from '../../../src/ports/throttle.ts';

const limit = { calls: 2, perSeconds: 10 };
const over: Take = { allowed: false, retryAfterMs: 4_000, remaining: 0, resetMs: 4_000 };
const under: Take = { allowed: true, retryAfterMs: 0, remaining: 1, resetMs: 4_000 };

function setUp(answers: Record<string, Take>) {
  let now = 1_000;
  const asked: string[] = [];
  const throttle = createAskedThrottle({
    clock: { monotonic: () => now },
    blockedMax: 2,
    ask: async ({ key }) => {
      asked.push(key);
      const answer = answers[key];
      if (!answer) throw new Error('nobody counts');
      return answer;
    },
  });
  return { throttle, asked, step: (ms: number) => (now += ms) };
}

it('asks for each request that may pass, and for none of a key that is over its limit', async () => {
  const { throttle, asked, step } = setUp({ good: under, bad: over });
  await throttle.take({ key: 'good', ...limit });
  expect(await throttle.take({ key: 'good', ...limit })).toEqual(under);
  expect(await throttle.take({ key: 'bad', ...limit })).toEqual(over);
  step(1_500);
  expect(await throttle.take({ key: 'bad', ...limit })).toEqual({ allowed: false, retryAfterMs: 2_500, remaining: 0, resetMs: 2_500 });
  expect(asked).toEqual(['good', 'good', 'bad']);
  step(2_500);
  await throttle.take({ key: 'bad', ...limit });
  // Another limit of the same key has a count of its own.
  await throttle.take({ key: 'bad', calls: 3, perSeconds: 10 });
  expect(asked.slice(3)).toEqual(['bad', 'bad']);
});

it('remembers so many and no more (A61)', async () => {
  const { throttle, asked } = setUp({ a: over, b: over, c: over });
  for (const key of ['a', 'b', 'c', 'a', 'c']) await throttle.take({ key, ...limit });
  expect(asked).toEqual(['a', 'b', 'c', 'a']);
});

it('nothing is allowed where nobody counts (I6)', async () => {
  const { throttle } = setUp({});
  await expect(throttle.take({ key: 'a', ...limit })).rejects.toThrow('nobody counts');
});
