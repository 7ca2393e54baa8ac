import { changedMembers, type KeyRecord, rootOf } from '../../domain/key.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { draftRecords } from './append.ts';
import { actorFacts, factsOf, putRecord } from './key-writes.ts';
import type { Tables } from './tables.ts';

/**
 * Puts a changed record in place, to be run inside one commit; false where the stored revision is not the expected one.
 * @throws Error, before any write, where the key is unknown or the change is one that no key may make
 */
export function replaceKey(tables: Tables, options: Parameters<Keyring['replace']>[0] & { now: number }): boolean {
  const { record, expected, fact, by, now } = options;
  const { id } = record;
  if (record.revision !== expected + 1) throw new Error(`The next revision of key ${id} is ${expected + 1}, not ${record.revision}.`);
  const before = tables.readKey(id);
  if (!before) throw new Error(`There is no key ${id}.`);
  if (before.revision !== expected) return false;
  checkUnchanged(before, record);
  checkExpiry(tables, before, record);
  if (record.digests.some(({ digest }) => (tables.digests.get(digest) ?? id) !== id)) {
    throw new Error(`A secret of key ${id} belongs to another key.`);
  }
  const changed = changedMembers(before, record);
  const drafts = draftRecords(tables, now, [{ ...fact, ...factsOf(record), ...actorFacts(by), changed }]);
  putRecord(tables, { before, record, drafts });
  return true;
}

/** What never changes while a key exists: budgets, descendants and streams rely on it (I7). */
function checkUnchanged(before: KeyRecord, after: KeyRecord): void {
  const { id } = before;
  if (after.parentIds.join() !== before.parentIds.join()) throw new Error(`The ancestors of key ${id} never change.`);
  if (after.environment !== before.environment) throw new Error(`The environment of key ${id} never changes.`);
  if (after.kind !== before.kind) throw new Error(`The kind of key ${id} never changes.`);
  if (rootOf(after) !== rootOf(before)) throw new Error(`The ledger root of key ${id} never changes.`);
  if (before.revokedAt !== undefined && after.revokedAt !== before.revokedAt) throw new Error(`Key ${id} was revoked, and stays so.`);
}

/**
 * A later expiry must still be within the parent's. One that stands already may be later, because the parent was shortened since:
 * such a key can still be changed otherwise, and its ancestors end it anyway.
 */
function checkExpiry(tables: Tables, before: KeyRecord, after: KeyRecord): void {
  const [parentId] = after.parentIds;
  const parent = parentId === undefined ? undefined : tables.readKey(parentId);
  if (parent && endOf(after) > endOf(before) && endOf(after) > endOf(parent)) {
    throw new Error(`Key ${after.id} must expire no later than its parent.`);
  }
}

function endOf({ expiresAt }: KeyRecord): number {
  return expiresAt ?? Number.POSITIVE_INFINITY;
}
