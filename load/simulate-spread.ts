import { everyPartition, partitionCount, partitionOf, prefixOf } from '../src/adapters/redis/layout.ts';

/** Shares of all calls, from 0 to 1, that the busiest of each kind gets. */
export interface Busiest {
  readonly account: number;
  readonly partition: number;
  /** With so many shards: each with as many slots, one after the other, as a new cluster has them. */
  readonly shard: (shards: number) => number;
  /** The same with partitions moved so that shards are as even as may be. */
  readonly evenShard: (shards: number) => number;
}

const slots = 16_384;

/**
 * How calls of so many accounts fall on partitions.
 * @param options.exponent  Zipf's: the account of rank r is called as often as 1 / r^exponent; 0 is evenly
 */
export function spreadOf({ accounts, exponent }: { accounts: number; exponent: number }): Busiest {
  const names = everyPartition();
  const place = new Map(names.map((name, at) => [name, at]));
  const partitions = new Float64Array(partitionCount);
  let all = 0;
  for (let rank = 1; rank <= accounts; rank += 1) {
    const weight = rank ** -exponent;
    const at = place.get(partitionOf(`account:${rank}`)) ?? 0;
    partitions[at] = (partitions[at] ?? 0) + weight;
    all += weight;
  }
  const shares = [...partitions].map((weight) => weight / all);
  const slotOf = names.map((name) => crc16(/\{(.+)\}/.exec(prefixOf(name))?.[1] ?? '') % slots);
  return {
    account: 1 / all,
    partition: Math.max(...shares),
    shard: (shards) =>
      busiestOf(shards, (sums) => {
        for (const [at, share] of shares.entries()) add(sums, Math.floor(((slotOf[at] ?? 0) * shards) / slots), share);
      }),
    evenShard: (shards) =>
      busiestOf(shards, (sums) => {
        for (const share of shares.toSorted((one, other) => other - one)) add(sums, sums.indexOf(Math.min(...sums)), share);
      }),
  };
}

function busiestOf(shards: number, fill: (sums: number[]) => void): number {
  const sums = Array<number>(shards).fill(0);
  fill(sums);
  return Math.max(...sums);
}

function add(sums: number[], at: number, share: number): void {
  sums[at] = (sums[at] ?? 0) + share;
}

/** CRC-16/XMODEM, by which a Redis cluster places names (redis.io, cluster specification). */
export function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) !== 0 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
