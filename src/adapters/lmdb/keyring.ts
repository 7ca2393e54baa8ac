import { holdsSecret, type KeyRecord } from '../../domain/key.ts';
import { checkDescent, revokedRecord } from '../../domain/key-change.ts';
import { actorFacts, factsOf, mintedFacts } from '../../domain/key-facts.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Actor, KeyFilter, Keyring } from '../../ports/keyring.ts';
import { draftRecords } from './append.ts';
import { putRecord, readEpoch } from './key-writes.ts';
import { removeKey } from './remove-key.ts';
import { replaceKey } from './replace-key.ts';
import type { Tables } from './tables.ts';
import { rememberForTurn } from './turn-memo.ts';

/**
 * The keyring port on LMDB. Reads come from memory-mapped pages, as of this turn of the event loop or newer, and so does the epoch: what another
 * process committed is seen at the next read, and any change anywhere makes everything that was read before it stale. So there is nothing to
 * be told of, and nobody to wait for: the one gateway of the machine has acted on a change as soon as it reads, and its rounds read every second.
 * Several workers of one gateway tell each other beside this.
 */
export function createKeyring({ tables, clock }: { tables: Tables; clock: Clock }): Keyring {
  const epoch = rememberForTurn(() => readEpoch(tables));
  const change = <T>(act: () => T): Promise<T> => tables.commit(act).finally(epoch.forget);
  return {
    byDigest: async (digest) => byDigest(tables, digest, clock.now()),
    get: async (id) => tables.readKey(id),
    list: async (options) => list(tables, options),
    epoch: epoch.read,
    changedAt: epoch.read,
    onChange: () => undefined,
    acknowledged: async () => ({ acknowledged: ['this machine'], pending: [] }),
    insert: (record, by) => change(() => insert(tables, { record, by, now: clock.now() })),
    replace: (options) => change(() => replaceKey(tables, { ...options, now: clock.now() })),
    remove: (id, options) => change(() => removeKey(tables, id, options)),
    revoke: (id, options) => change(() => revoke(tables, id, options)),
  };
}

/** A secret whose overlap after a rotation has passed is as unknown as one that never was. */
function byDigest(tables: Tables, digest: string, now: number): KeyRecord | undefined {
  const id = tables.digests.get(digest);
  const record = id === undefined ? undefined : tables.readKey(id);
  return record && holdsSecret(record, { digest, now }) ? record : undefined;
}

function list(
  tables: Tables,
  { filter, limit, cursor }: { filter: KeyFilter; limit: number; cursor?: string },
): { keys: KeyRecord[]; nextCursor?: string } {
  const keys: KeyRecord[] = [];
  const range = tables.keys.getRange(cursor === undefined ? {} : { start: cursor, exclusiveStart: true });
  for (const { value } of range) {
    if (!matches(value, filter)) continue;
    const last = keys.at(-1);
    // The page is full and there is at least one more.
    if (keys.length >= limit) return last ? { keys, nextCursor: last.id } : { keys };
    keys.push(value);
  }
  return { keys };
}

function matches(record: KeyRecord, filter: KeyFilter): boolean {
  const { parentId, ...equal } = filter;
  if (parentId !== undefined && record.parentIds[0] !== parentId) return false;
  return Object.entries(equal).every(([name, wanted]) => wanted === undefined || record[name as keyof typeof equal] === wanted);
}

function insert(tables: Tables, { record, by, now }: { record: KeyRecord; by: Actor; now: number }): void {
  if (tables.keys.doesExist(record.id)) throw new Error(`Key ${record.id} exists already.`);
  if (record.digests.some(({ digest }) => tables.digests.doesExist(digest)))
    throw new Error(`The secret of key ${record.id} exists already.`);
  const [parentId] = record.parentIds;
  const parent = parentId === undefined ? undefined : tables.readKey(parentId);
  const missing = parent?.parentIds.find((id) => !tables.keys.doesExist(id));
  checkDescent(record, parent, missing);
  putRecord(tables, { record, drafts: draftRecords(tables, now, [mintedFacts(record, by)]) });
}

function revoke(tables: Tables, id: string, { reason, at, by }: { reason: string; at: number; by: Actor }): KeyRecord | undefined {
  const record = tables.readKey(id);
  if (!record || record.revokedAt !== undefined) return record;
  const revoked = revokedRecord(record, { reason, at });
  const drafts = draftRecords(tables, at, [{ ...factsOf(record), kind: 'key.revoked', ...actorFacts(by), reason }]);
  putRecord(tables, { before: record, record: revoked, drafts });
  return revoked;
}
