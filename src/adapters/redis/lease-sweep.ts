import type { Ledger } from '../../ports/ledger.ts';
import type { Connection } from './connection.ts';
import type { RunCall } from './grouped.ts';
import { everyPartition, inPartition } from './layout.ts';

/** Leases looked at in one partition at once. */
const batchMax = 100;

/**
 * Closes leases that their owners should have closed, and those of owners that are named orphans. Calls that ran become ordinary holds, which an
 * ordinary sweep captures when they are due.
 * @param run  a call of lease-acts.lua
 * @throws Error where one could not be closed; the others are
 */
export async function sweepLeases(
  { client, run }: { client: Connection['client']; run: RunCall },
  { now, orphaned }: Parameters<Ledger['sweep']>[0],
): Promise<void> {
  const failures = await Promise.all(
    everyPartition().map(async (partition) => {
      const name = inPartition.leases(partition);
      const due = await client.zrangebyscore(name, '-inf', now, 'LIMIT', 0, batchMax);
      const orphans = orphaned ? (await client.zrange(name, '0', '-1')).filter((id) => orphaned(ownerOf(id))) : [];
      const closed = await Promise.allSettled([...due, ...orphans].map((id) => run(partition, ['close', id, String(now), '0'])));
      return closed.find((each) => each.status === 'rejected');
    }),
  );
  const failed = failures.find((each) => each !== undefined);
  if (failed) throw failed.reason;
}

/** A lease is named by its owner and a number. */
function ownerOf(id: string): string {
  return id.slice(0, id.lastIndexOf(' '));
}
