import { changedMembers } from '../../domain/key.ts';
import { checkExpiry, checkUnchanged } from '../../domain/key-change.ts';
import { actorFacts, factsOf } from '../../domain/key-facts.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { draftRecords } from './append.ts';
import { putRecord } from './key-writes.ts';
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
  const [parentId] = record.parentIds;
  checkExpiry(before, record, parentId === undefined ? undefined : tables.readKey(parentId));
  if (record.digests.some(({ digest }) => (tables.digests.get(digest) ?? id) !== id)) {
    throw new Error(`A secret of key ${id} belongs to another key.`);
  }
  const changed = changedMembers(before, record);
  const drafts = draftRecords(tables, now, [{ ...fact, ...factsOf(record), ...actorFacts(by), changed }]);
  putRecord(tables, { before, record, drafts });
  return true;
}
