import type { Checkpoint } from '../../domain/record.ts';
import type { CheckpointKey } from './tables.ts';

/** Two statements about one place differ in their signature: they were made at another time, or with another key. */
export function checkpointKey({ partition, seq, signature }: Checkpoint): CheckpointKey {
  return [partition, seq, signature];
}
