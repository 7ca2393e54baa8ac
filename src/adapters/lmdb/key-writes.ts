import type { KeyRecord } from '../../domain/key.ts';
import type { RecordFacts } from '../../domain/record.ts';
import type { Actor } from '../../ports/keyring.ts';
import { type Drafts, writeDrafts } from './append.ts';
import type { Tables } from './tables.ts';

export function readEpoch(tables: Tables): number {
  return (tables.meta.get('epoch') as number | undefined) ?? 0;
}

/** Stores a key record in place of the one before, if any, with its digests; only writes, to be run inside one commit. */
export function putRecord(tables: Tables, { before, record, drafts }: { before?: KeyRecord; record: KeyRecord; drafts: Drafts }): void {
  const kept = new Set(record.digests.map(({ digest }) => digest));
  for (const { digest } of before?.digests ?? []) if (!kept.has(digest)) tables.digests.remove(digest);
  for (const digest of kept) tables.digests.put(digest, record.id);
  tables.keys.put(record.id, record);
  nextEpoch(tables);
  writeDrafts(tables, drafts);
}

export function nextEpoch(tables: Tables): void {
  tables.meta.put('epoch', readEpoch(tables) + 1);
}

/** Whom a record is about. Digests, metadata and anything else that might be secret stay out of the journal (I5). */
export function factsOf(record: KeyRecord): Omit<RecordFacts, 'kind'> {
  const { id, parentIds, orgId, agentId, botId, accountId, environment, onBehalfOf } = record;
  return { keyId: id, parentIds, org: orgId, agent: agentId, bot: botId, account: accountId, environment, onBehalfOf };
}

export function actorFacts({ via, keyId }: Actor): { via: string; byKeyId?: string } {
  return { via, ...(keyId !== undefined && { byKeyId: keyId }) };
}
