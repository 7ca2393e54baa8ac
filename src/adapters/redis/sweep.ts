import { capturedMsKept, endedMsKept } from '../../domain/reservation.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Connection, Script } from './connection.ts';
import { isScriptError } from './grouped.ts';
import { everyPartition, inPartition, prefixOf } from './layout.ts';

/** Holds that one script deals with: a longer one would keep calls waiting. */
const sweepBatchMax = 100;

interface Sweeping {
  readonly connection: Connection;
  readonly script: Script;
  readonly thresholds: () => readonly number[];
}

/**
 * Captures what has expired, and the holds of owners that are named orphans, partition by partition. Where nothing is due it costs one small
 * command for each partition. Any number of processes may sweep at once.
 * @throws Error where a hold cannot be captured because what is stored of it is damaged; the others are
 */
export async function sweep(sweeping: Sweeping, { now, orphaned }: Parameters<Ledger['sweep']>[0]): Promise<number> {
  if (!Number.isSafeInteger(now)) throw new Error('A sweep needs the time.');
  const { client } = sweeping.connection;
  const partitions = everyPartition();
  const faults: unknown[] = [];
  let captured = 0;
  if (orphaned) for (const partition of partitions) captured += await captureOrphans(sweeping, { partition, now, orphaned, faults });
  const waiting = await Promise.all(
    partitions.map((partition) => client.zrangebyscore(inPartition.due(partition), '-inf', now, 'LIMIT', 0, 1)),
  );
  for (const [at, partition] of partitions.entries()) {
    if (waiting[at]?.length) captured += await captureDue(sweeping, { partition, now, faults });
  }
  if (faults.length > 0) {
    throw new Error('Holds that ended cannot be captured, because what is stored of them is damaged.', { cause: faults[0] });
  }
  return captured;
}

/** One hold that is damaged fails the script that it is in, so from there on each is taken alone, and the damaged ones are left where they are. */
async function captureDue(
  sweeping: Sweeping,
  { partition, now, faults }: { partition: string; now: number; faults: unknown[] },
): Promise<number> {
  let captured = 0;
  let skip = 0;
  for (let most = sweepBatchMax; ; ) {
    try {
      const result = await capture(sweeping, { partition, now, skip, most });
      captured += result.captured;
      if (result.seen < most) return captured;
    } catch (error) {
      if (!isScriptError(error)) throw error;
      if (most === 1) {
        faults.push(error);
        skip += 1;
      }
      most = 1;
    }
  }
}

/** Goes through all holds from the first to expire. A hold that is renewed meanwhile moves on, so none that was there all the time is missed. */
async function captureOrphans(
  sweeping: Sweeping,
  { partition, now, orphaned, faults }: { partition: string; now: number; orphaned: (owner: string) => boolean; faults: unknown[] },
): Promise<number> {
  const { client } = sweeping.connection;
  let captured = 0;
  for (let kept = 0; ; ) {
    const ids = await client.zrange(inPartition.due(partition), String(kept), String(kept + sweepBatchMax - 1));
    if (ids.length === 0) return captured;
    const texts = await client.hmget(inPartition.holds(partition), ...ids);
    const orphans = ids.filter((_id, at) => {
      const owner = ownerOf(texts[at]);
      return owner !== undefined && orphaned(owner);
    });
    const damagedBefore = faults.length;
    captured += await captureNamed(sweeping, { partition, now, ids: orphans, faults });
    kept += ids.length - orphans.length + faults.length - damagedBefore;
  }
}

/** All at once, or where one is damaged each alone. */
async function captureNamed(
  sweeping: Sweeping,
  { ids, faults, ...where }: { partition: string; now: number; ids: readonly string[]; faults: unknown[] },
): Promise<number> {
  if (ids.length === 0) return 0;
  try {
    return (await capture(sweeping, { ...where, skip: 0, most: 0, ids })).captured;
  } catch (error) {
    if (!isScriptError(error)) throw error;
    if (ids.length > 1) {
      let captured = 0;
      for (const id of ids) captured += await captureNamed(sweeping, { ...where, ids: [id], faults });
      return captured;
    }
    faults.push(error);
    return 0;
  }
}

/** The process life that took a hold; undefined where it has ended. */
function ownerOf(hold: string | null | undefined): string | undefined {
  return hold?.slice(0, hold.indexOf('\n'));
}

async function capture(
  { connection, script, thresholds }: Sweeping,
  { partition, now, skip, most, ids = [] }: { partition: string; now: number; skip: number; most: number; ids?: readonly string[] },
): Promise<{ captured: number; seen: number }> {
  const args = [JSON.stringify(thresholds()), ...[now, capturedMsKept, endedMsKept, skip, most].map(String), ...ids];
  const [captured = 0, seen = 0] = (await connection.run(script, [prefixOf(partition)], args)) as number[];
  return { captured, seen };
}
