import type { KeyRecord } from '../../domain/key.ts';
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
