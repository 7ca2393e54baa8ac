import { expect, it } from 'vitest';
import { crc16, spreadOf } from '../../load/simulate-spread.ts';

it('slots are those of a Redis cluster', () => {
  expect(crc16('123456789')).toBe(0x31c3); // redis.io, cluster specification, appendix A
});

it('even accounts leave the busiest partition a little over its part; skewed ones give it what the busiest account has', () => {
  const even = spreadOf({ accounts: 20_000, exponent: 0 });
  expect(even.account).toBeCloseTo(1 / 20_000, 9);
  expect(even.partition).toBeGreaterThan(1 / 256);
  expect(even.partition).toBeLessThan(2 / 256);
  const skewed = spreadOf({ accounts: 20_000, exponent: 1 });
  const harmonic = Array.from({ length: 20_000 }, (_, at) => 1 / (at + 1)).reduce((sum, part) => sum + part, 0);
  expect(skewed.account).toBeCloseTo(1 / harmonic, 9);
  expect(skewed.partition).toBeGreaterThanOrEqual(skewed.account);
});

it('moving slots helps down to what the busiest partition has', () => {
  const { shard, evenShard, partition } = spreadOf({ accounts: 20_000, exponent: 0.8 });
  expect(shard(1)).toBeCloseTo(1, 9);
  for (const shards of [4, 16, 64]) {
    expect(evenShard(shards)).toBeLessThanOrEqual(shard(shards));
    expect(evenShard(shards)).toBeGreaterThanOrEqual(Math.max(1 / shards, partition) - 1e-9);
  }
  expect(evenShard(256)).toBeCloseTo(partition, 9);
});
