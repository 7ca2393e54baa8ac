import { scriptOf } from '../../../src/adapters/redis/scripts.ts';

/** Counts under a name that only the script knows of, as the scripts of the ledger do. */
export const count = scriptOf(
  'count',
  `local name = KEYS[1] .. ARGV[1]
local found = tonumber(redis.call('GET', name) or '0') + 1
redis.call('SET', name, string.format('%.0f', found))
return found`,
);

/** Counts each id once, however often it is sent. */
export const countOnce = scriptOf(
  'count-once',
  `if redis.call('SADD', KEYS[1] .. 'seen', ARGV[1]) == 1 then redis.call('INCR', KEYS[1] .. 'count') end
return 1`,
);

/** The message that a promise was rejected with; fails where it was not. */
export async function rejection(promise: Promise<unknown>): Promise<string> {
  const answer = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if (!('error' in answer)) throw new Error(`It was not rejected, but answered ${JSON.stringify(answer.value)}.`);
  return answer.error instanceof Error ? answer.error.message : String(answer.error);
}

/** Tries until it is done, and says how many milliseconds that took. */
export async function untilDone(act: () => Promise<unknown>, msMax: number): Promise<number> {
  const begin = performance.now();
  for (;;) {
    try {
      await act();
      return performance.now() - begin;
    } catch (error) {
      if (performance.now() - begin > msMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
