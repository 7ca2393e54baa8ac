import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { createRedisThrottle } from '../../../src/adapters/redis/throttle.ts';
import { steppedClock } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';

let server: TestRedis;
let connection: Connection;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.cli('FLUSHALL');
  await server.cli('CONFIG', 'RESETSTAT');
  connection = await openConnection(server.url);
});
afterEach(() => connection.close());

const limit = { calls: 3, perSeconds: 3600 };
const throttle = (options: { blockedMax?: number } = {}) => {
  const clock = steppedClock();
  return { clock, ...createRedisThrottle({ connection, clock, ...options }) };
};
/** How often Redis was asked. */
const asked = async () => Number(/cmdstat_incrby:calls=(\d+)/.exec(await server.cli('INFO', 'commandstats'))?.[1] ?? '0');

describe('createRedisThrottle', () => {
  test('counts for all replicas together, then says how long to wait', async () => {
    const [one, two] = [throttle(), throttle()];
    for (const [at, each] of [one, two, one].entries()) {
      const taken = await each.take({ key: 'a', ...limit });
      expect(taken).toMatchObject({ allowed: true, retryAfterMs: 0, remaining: 2 - at });
      expect(taken.resetMs).toBeGreaterThan(3_590_000);
      expect(taken.resetMs).toBeLessThanOrEqual(3_600_000);
    }
    for (const each of [one, two]) {
      const refused = await each.take({ key: 'a', ...limit });
      expect(refused).toMatchObject({ allowed: false, remaining: 0 });
      expect(refused.retryAfterMs).toBe(refused.resetMs);
      expect(refused.resetMs).toBeGreaterThan(3_590_000);
    }
    expect((await two.take({ key: 'b', ...limit })).allowed).toBe(true);
  });

  test('allows exactly the limit to calls that come at once, at any replica', async () => {
    const many = Array.from({ length: 4 }, () => throttle());
    const takes = Array.from({ length: 100 }, (_, n) => many[n % 4]?.take({ key: 'a', calls: 30, perSeconds: 60 }));
    expect((await Promise.all(takes)).filter((taken) => taken?.allowed)).toHaveLength(30);
  });

  test('a flood of a key that is over its limit costs Redis nothing, and the key is free again when its window ends', async () => {
    const { clock, take } = throttle();
    for (let n = 0; n < 4; n += 1) await take({ key: 'a', ...limit });
    const before = await asked();
    expect(before).toBe(4);
    for (let n = 0; n < 1000; n += 1) expect((await take({ key: 'a', ...limit })).allowed).toBe(false);
    clock.step(1_000_000);
    const { retryAfterMs } = await take({ key: 'a', ...limit });
    expect(retryAfterMs).toBeLessThanOrEqual(2_600_000);
    expect(await asked()).toBe(before);
    clock.step(2_600_001);
    await server.cli('FLUSHALL');
    expect(await take({ key: 'a', ...limit })).toMatchObject({ allowed: true, remaining: 2 });
  });

  test('A61: remembers a bounded number of keys that are over their limits', async () => {
    const { take } = throttle({ blockedMax: 2 });
    for (const key of ['a', 'a', 'b', 'b', 'c', 'c']) await take({ key, calls: 1, perSeconds: 3600 });
    const before = await asked();
    for (const key of ['b', 'c']) expect((await take({ key, calls: 1, perSeconds: 3600 })).allowed).toBe(false);
    expect(await asked()).toBe(before);
    expect((await take({ key: 'a', calls: 1, perSeconds: 3600 })).allowed).toBe(false);
    expect(await asked()).toBe(before + 1);
  });

  test('counts limits apart, and keys may be any text', async () => {
    const { take } = throttle();
    for (const key of ['', ' ', '__proto__', '{a}', 'x'.repeat(100_000), '\u0000', '1/10']) {
      expect((await take({ key, calls: 1, perSeconds: 10 })).allowed).toBe(true);
      expect((await take({ key, calls: 1, perSeconds: 10 })).allowed).toBe(false);
      expect((await take({ key, calls: 1, perSeconds: 20 })).allowed).toBe(true);
    }
    const names = (await connection.client.keys('*')).filter((name) => name.length > 100);
    expect(names).toEqual([]);
  });

  test('counts go by themselves when their window ends', async () => {
    const { take } = throttle();
    await take({ key: 'a', calls: 1, perSeconds: 1 });
    await expect.poll(() => connection.client.dbsize(), { timeout: 5000, interval: 20 }).toBe(0);
    expect((await take({ key: 'a', calls: 1, perSeconds: 1 })).allowed).toBe(true);
  });

  test.each([
    { calls: 0, perSeconds: 1 },
    { calls: 1.5, perSeconds: 1 },
    { calls: 1, perSeconds: 0 },
    { calls: 1, perSeconds: 86_401 },
    { calls: Number.NaN, perSeconds: 1 },
  ])('takes no limit like %j', async (wrong) => {
    await expect(throttle().take({ key: 'a', ...wrong })).rejects.toThrow(RangeError);
  });

  test('allows nothing where Redis does not answer', async () => {
    const { take } = throttle();
    await take({ key: 'a', ...limit });
    await server.kill();
    await expect(take({ key: 'a', ...limit })).rejects.toThrow();
    await server.restart();
  });
});
