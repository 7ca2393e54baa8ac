import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createThrottle } from '../../src/adapters/throttle.ts';

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const limit = { calls: 3, perSeconds: 10 };

describe('createThrottle', () => {
  it('allows so many calls in a window, then says how long to wait', async () => {
    const throttle = createThrottle();
    for (const remaining of [2, 1, 0])
      expect(await throttle.take({ key: 'a', ...limit })).toEqual({ allowed: true, retryAfterMs: 0, remaining, resetMs: 10_000 });
    await vi.advanceTimersByTimeAsync(4_000);
    expect(await throttle.take({ key: 'a', ...limit })).toEqual({ allowed: false, retryAfterMs: 6_000, remaining: 0, resetMs: 6_000 });
    expect((await throttle.take({ key: 'b', ...limit })).allowed).toBe(true);
    await vi.advanceTimersByTimeAsync(6_000);
    expect(await throttle.take({ key: 'a', ...limit })).toEqual({ allowed: true, retryAfterMs: 0, remaining: 2, resetMs: 10_000 });
  });

  it('does not put the end of the window off for those who keep trying', async () => {
    const throttle = createThrottle();
    for (let at = 0; at < 9; at += 1) {
      await throttle.take({ key: 'a', ...limit });
      await vi.advanceTimersByTimeAsync(1_000);
    }
    expect(await throttle.take({ key: 'a', ...limit })).toMatchObject({ allowed: false, retryAfterMs: 1_000 });
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await throttle.take({ key: 'a', ...limit })).allowed).toBe(true);
  });

  it('allows exactly the limit to calls that come at once', async () => {
    const throttle = createThrottle();
    const taken = await Promise.all(Array.from({ length: 100 }, () => throttle.take({ key: 'a', calls: 30, perSeconds: 60 })));
    expect(taken.filter(({ allowed }) => allowed)).toHaveLength(30);
  });

  it('counts limits apart, also for the same key', async () => {
    const throttle = createThrottle();
    await throttle.take({ key: 'a', calls: 1, perSeconds: 10 });
    expect((await throttle.take({ key: 'a', calls: 1, perSeconds: 10 })).allowed).toBe(false);
    expect((await throttle.take({ key: 'a', calls: 1, perSeconds: 20 })).allowed).toBe(true);
    expect((await throttle.take({ key: '__proto__', calls: 1, perSeconds: 10 })).allowed).toBe(true);
  });

  it('A61: forgets the window nearest to its end when there are too many keys', async () => {
    const throttle = createThrottle({ keysMax: 3 });
    for (const key of ['a', 'a', 'a', 'b', 'b', 'b', 'c']) await throttle.take({ key, ...limit });
    expect((await throttle.take({ key: 'a', ...limit })).allowed).toBe(false);
    await throttle.take({ key: 'd', ...limit });
    expect((await throttle.take({ key: 'b', ...limit })).allowed).toBe(false);
    expect(vi.getTimerCount()).toBe(3);
    expect((await throttle.take({ key: 'a', ...limit })).allowed).toBe(true);
    for (let at = 0; at < 1_000; at += 1) await throttle.take({ key: `k${at}`, ...limit });
    expect(vi.getTimerCount()).toBe(3);
  });

  it('does not count ended windows against the bound', async () => {
    const throttle = createThrottle({ keysMax: 3 });
    for (const key of ['a', 'b', 'c']) await throttle.take({ key, ...limit });
    await vi.advanceTimersByTimeAsync(10_000);
    for (const key of ['a', 'b', 'c', 'a', 'a', 'a']) await throttle.take({ key, ...limit });
    expect((await throttle.take({ key: 'a', ...limit })).allowed).toBe(false);
  });

  it.each([
    { calls: 0, perSeconds: 1 },
    { calls: 1.5, perSeconds: 1 },
    { calls: 1, perSeconds: 0 },
    { calls: 1, perSeconds: 86_401 },
    { calls: Number.NaN, perSeconds: 1 },
  ])('takes no limit like %j', async (wrong) => {
    await expect(createThrottle().take({ key: 'a', ...wrong })).rejects.toThrow(RangeError);
  });
});
