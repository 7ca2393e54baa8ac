import type { KeyRecord } from '../../domain/key.ts';
import type { KeyFilter, Keyring } from '../../ports/keyring.ts';
import type { Connection } from './connection.ts';
import type { KeyRecords } from './key-records.ts';
import { elsewhere } from './layout.ts';

/** Keys read at a time. */
const pageKeys = 200;

/** Keys in order of their ids, by the index. Ids that lead to no key are passed over: a key that is being added, or was deleted. */
export async function listKeys(
  { client, records }: { client: Connection['client']; records: KeyRecords },
  { filter, limit, cursor }: Parameters<Keyring['list']>[0],
): ReturnType<Keyring['list']> {
  const keys: KeyRecord[] = [];
  let after = cursor;
  for (;;) {
    const from = after === undefined ? '-' : `(${after}`;
    const ids = await client.zrange(elsewhere.index, from, '+', 'BYLEX', 'LIMIT', 0, pageKeys);
    for (const key of await Promise.all(ids.map((id) => records.read(id)))) {
      if (!key || !matches(key.record, filter)) continue;
      const last = keys.at(-1);
      // The page is full and there is at least one more.
      if (keys.length >= limit) return last ? { keys, nextCursor: last.id } : { keys };
      keys.push(key.record);
    }
    after = ids.at(-1);
    if (ids.length < pageKeys) return { keys };
  }
}

function matches(record: KeyRecord, filter: KeyFilter): boolean {
  const { parentId, ...equal } = filter;
  if (parentId !== undefined && record.parentIds[0] !== parentId) return false;
  return Object.entries(equal).every(([name, wanted]) => wanted === undefined || record[name as keyof typeof equal] === wanted);
}
