import * as z from 'zod';
import { readCount, readMilliseconds } from './amounts.ts';
import type { Reading } from './problems.ts';
import { meaning } from './reading.ts';

/** How a Redis store is used. */
export interface RedisConfig {
  /** When a commit counts as durable: as the server is set up, once it is on its disk, or once `replicas` of its replicas have it. */
  durability: 'server' | 'fsync' | 'replicated';
  replicas: number;
  commandTimeoutMs: number;
}

const replicas = meaning(z.union([z.int(), z.string()]), (written): Reading<number> => {
  const reading = readCount(written);
  return 'value' in reading && !(reading.value >= 1 && reading.value <= 16) ? { message: 'must be from 1 to 16' } : reading;
});

const commandTimeout = meaning(z.union([z.int(), z.string()]), (written): Reading<number> => {
  const reading = readMilliseconds(written);
  return 'value' in reading && !(reading.value >= 100 && reading.value <= 30_000) ? { message: 'must be from 100 ms to 30 s' } : reading;
});

export const redisSchema = z.strictObject({
  durability: z
    .enum(['server', 'fsync', 'replicated'])
    .default('server')
    .describe('When a commit is durable: as the server is set up, on its disk, or on replicas.'),
  replicas: replicas.prefault(1).describe('With replicated: how many replicas must have a commit.'),
  commandTimeoutMs: commandTimeout.prefault(2_000).describe('Longest wait for Redis; what takes longer is refused.'),
});

const threshold = meaning(z.union([z.number(), z.string()]), (written): Reading<number> => {
  const count = readCount(written);
  const fits = 'value' in count && count.value >= 1 && count.value <= 100;
  return fits ? count : { message: 'must be a whole percentage from 1 to 100', hint: 'such as 80' };
});

const thresholds = meaning(z.array(threshold).min(1), (list): Reading<number[]> => {
  const rising = list.every((percent, at) => at === 0 || percent > (list[at - 1] ?? 0));
  return rising ? { value: list } : { message: 'must rise from one to the next', hint: 'such as [50, 80, 100]' };
});

export const budgetsSchema = z.strictObject({
  thresholds: thresholds.prefault([50, 80, 100]).describe('Percentages of a limit at which the journal gets a limit.threshold record.'),
});
