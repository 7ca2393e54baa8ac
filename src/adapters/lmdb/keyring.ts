import { type KeyRecord, rootOf } from '../../domain/key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Actor, KeyFilter, Keyring } from '../../ports/keyring.ts';
import { draftRecords } from './append.ts';
import { actorFacts, factsOf, putRecord, readEpoch } from './key-writes.ts';
import { removeKey } from './remove-key.ts';
import { replaceKey } from './replace-key.ts';
import { commit, type Tables } from './tables.ts';

/** The keyring port on LMDB. Reads come from memory-mapped pages, as of this turn of the event loop or newer. */
export function createKeyring({ tables, clock }: { tables: Tables; clock: Clock }): Keyring {
  return {
    byDigest: (digest) => byDigest(tables, digest, clock.now()),
    get: (id) => tables.readKey(id),
    list: (options) => list(tables, options),
    epoch: () => readEpoch(tables),
    insert: (record, by) => commit(tables, () => insert(tables, { record, by, now: clock.now() })),
    replace: (options) => commit(tables, () => replaceKey(tables, { ...options, now: clock.now() })),
    remove: (id, options) => commit(tables, () => removeKey(tables, id, options)),
    revoke: (id, options) => commit(tables, () => revoke(tables, id, options)),
  };
}

/** A secret whose overlap after a rotation has passed is as unknown as one that never was. */
function byDigest(tables: Tables, digest: string, now: number): KeyRecord | undefined {
  const id = tables.digests.get(digest);
  const record = id === undefined ? undefined : tables.readKey(id);
  const live = record?.digests.some((each) => each.digest === digest && (each.until === undefined || now < each.until));
  return live ? record : undefined;
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
  checkDescent(tables, record);
  const { name, kind: keyKind, scopes, upstreams, tools, expiresAt } = record;
  const expires = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
  const drafts = draftRecords(tables, now, [
    { ...factsOf(record), kind: 'key.minted', ...actorFacts(by), name, keyKind, scopes, upstreams, tools, ...expires },
  ]);
  putRecord(tables, { record, drafts });
}

/**
 * What a descendant may never leave, checked where it cannot be raced (I7): its line of ancestors, their ledger root, environment
 * and life. Scopes, tools and addresses are narrowed where a key is minted; limits of ancestors apply to every call anyway.
 */
function checkDescent(tables: Tables, record: KeyRecord): void {
  const [parentId] = record.parentIds;
  if (parentId === undefined) return;
  const parent = tables.readKey(parentId);
  if (!parent) throw new Error(`Key ${record.id} names a parent that does not exist: ${parentId}.`);
  const line = [parent.id, ...parent.parentIds];
  const missing = line.find((id) => !tables.keys.doesExist(id));
  if (missing !== undefined) throw new Error(`Key ${record.id} names an ancestor that does not exist: ${missing}.`);
  if (line.join() !== record.parentIds.join()) throw new Error(`Key ${record.id} must name ${line.join(', ')} as its ancestors.`);
  if (parent.revokedAt !== undefined) throw new Error(`Key ${parentId} was revoked and can have no children.`);
  if (rootOf(record) !== rootOf(parent)) throw new Error(`Key ${record.id} must have the ledger root of its parent, ${rootOf(parent)}.`);
  if (record.environment !== parent.environment) throw new Error(`Key ${record.id} must have the environment of its parent.`);
  if ((record.expiresAt ?? Number.POSITIVE_INFINITY) > (parent.expiresAt ?? Number.POSITIVE_INFINITY)) {
    throw new Error(`Key ${record.id} must expire no later than its parent.`);
  }
}

function revoke(tables: Tables, id: string, { reason, at, by }: { reason: string; at: number; by: Actor }): KeyRecord | undefined {
  const record = tables.readKey(id);
  if (!record || record.revokedAt !== undefined) return record;
  const revoked: KeyRecord = { ...record, revokedAt: at, revokedReason: reason, revision: record.revision + 1 };
  const drafts = draftRecords(tables, at, [{ ...factsOf(record), kind: 'key.revoked', ...actorFacts(by), reason }]);
  putRecord(tables, { before: record, record: revoked, drafts });
  return revoked;
}
