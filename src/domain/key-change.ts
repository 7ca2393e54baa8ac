import { type KeyRecord, rootOf } from './key.ts';

/**
 * What a descendant may never leave, checked where it cannot be raced (I7): its line of ancestors, their ledger root, environment
 * and life. Scopes, tools and addresses are narrowed where a key is minted; limits of ancestors apply to every call anyway.
 * @param parent  the stored record of the first of `record.parentIds`, undefined where there is none
 * @param missing  the first of the parent and its ancestors that is not stored
 * @throws Error
 */
export function checkDescent(record: KeyRecord, parent: KeyRecord | undefined, missing: string | undefined): void {
  const [parentId] = record.parentIds;
  if (parentId === undefined) return;
  if (!parent) throw new Error(`Key ${record.id} names a parent that does not exist: ${parentId}.`);
  const line = [parent.id, ...parent.parentIds];
  if (missing !== undefined) throw new Error(`Key ${record.id} names an ancestor that does not exist: ${missing}.`);
  if (line.join() !== record.parentIds.join()) throw new Error(`Key ${record.id} must name ${line.join(', ')} as its ancestors.`);
  if (parent.revokedAt !== undefined) throw new Error(`Key ${parentId} was revoked and can have no children.`);
  if (rootOf(record) !== rootOf(parent)) throw new Error(`Key ${record.id} must have the ledger root of its parent, ${rootOf(parent)}.`);
  if (record.environment !== parent.environment) throw new Error(`Key ${record.id} must have the environment of its parent.`);
  if (endOf(record) > endOf(parent)) throw new Error(`Key ${record.id} must expire no later than its parent.`);
}

/** What never changes while a key exists: budgets, descendants and streams rely on it (I7). @throws Error */
export function checkUnchanged(before: KeyRecord, after: KeyRecord): void {
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
 * @throws Error
 */
export function checkExpiry(before: KeyRecord, after: KeyRecord, parent: KeyRecord | undefined): void {
  if (parent && endOf(after) > endOf(before) && endOf(after) > endOf(parent)) {
    throw new Error(`Key ${after.id} must expire no later than its parent.`);
  }
}

/** The record as it stands once revoked. */
export function revokedRecord(record: KeyRecord, { reason, at }: { reason: string; at: number }): KeyRecord {
  return { ...record, revokedAt: at, revokedReason: reason, revision: record.revision + 1 };
}

function endOf({ expiresAt }: KeyRecord): number {
  return expiresAt ?? Number.POSITIVE_INFINITY;
}
