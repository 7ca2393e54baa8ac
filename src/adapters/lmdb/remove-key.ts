import type { KeyRecord } from '../../domain/key.ts';
import { actorFacts, factsOf } from '../../domain/key-facts.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { nextEpoch } from './key-writes.ts';
import type { Tables } from './tables.ts';

/**
 * Deletes a key with all that is kept about it except the journal, to be run inside one commit. Calls of it that are still running
 * end as they would have; descendants find an ancestor missing from now on and are refused.
 */
export function removeKey(tables: Tables, id: string, { reason, at, by }: Parameters<Keyring['remove']>[1]): KeyRecord | undefined {
  const record = tables.readKey(id);
  if (!record) return undefined;
  const drafts = draftRecords(tables, at, [{ ...factsOf(record), kind: 'key.deleted', ...actorFacts(by), name: record.name, reason }]);
  for (const { digest } of record.digests) tables.digests.remove(digest);
  tables.keys.remove(id);
  tables.counters.remove(id);
  tables.totals.remove(id);
  tables.factors.remove(id);
  nextEpoch(tables);
  writeDrafts(tables, drafts);
  return record;
}
