import { changedMembers, type KeyRecord } from '../../domain/key.ts';
import { checkExpiry, checkUnchanged } from '../../domain/key-change.ts';
import { actorFacts, factsOf } from '../../domain/key-facts.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { entryArguments } from './key-entry.ts';
import { announced, type KeyStore, tooContended, tooLate, triesMax, writeKey } from './key-write.ts';

/**
 * Puts a changed record in place; false where the stored revision is not the expected one.
 * @throws Error where the key is unknown or the change is one that no key may make; nothing is written then
 */
export async function replaceKey(store: KeyStore, options: Parameters<Keyring['replace']>[0]): Promise<boolean> {
  const { record, expected, fact, by } = options;
  const { id } = record;
  if (record.revision !== expected + 1) throw new Error(`The next revision of key ${id} is ${expected + 1}, not ${record.revision}.`);
  const name = store.nextName();
  for (let left = triesMax; left > 0; left -= 1) {
    const stored = await store.records.read(id);
    if (!stored) throw unknown(id);
    const { record: before, partition } = stored;
    if (before.revision !== expected) return false;
    checkUnchanged(before, record);
    const line = await checkedAgainst(store, before, record);
    const { added, dropped } = digestChanges(before, record);
    if (!(await store.claims.digests(added, { id, partition }))) {
      throw new Error(`A secret of key ${id} belongs to another key.`);
    }
    const facts = { ...fact, ...factsOf(record), ...actorFacts(by), changed: changedMembers(before, record) };
    const entry = entryArguments(facts, store.clock.now());
    const answer = await announced(store, id, (deadline) => writeKey(store, { record, expected, line, name, deadline, entry }));
    if (answer === 'late') throw tooLate(id);
    if (answer === 'missing') throw unknown(id);
    if (answer === 'stale') return false;
    if (answer !== 'ok') continue;
    // The change is made; a pointer that could not be removed leads to a record that does not name its secret.
    await store.claims.dropDigests(dropped).catch(() => undefined);
    return true;
  }
  throw tooContended(id);
}

/** The parent, where the change depends on it: a later expiry must be within the parent's. */
async function checkedAgainst({ records }: KeyStore, before: KeyRecord, after: KeyRecord): Promise<KeyRecord[]> {
  const [parentId] = after.parentIds;
  if (parentId === undefined || before.expiresAt === after.expiresAt) return [];
  const parent = (await records.read(parentId))?.record;
  checkExpiry(before, after, parent);
  return parent ? [parent] : [];
}

function digestChanges(before: KeyRecord, after: KeyRecord): { added: string[]; dropped: string[] } {
  const old = new Set(before.digests.map(({ digest }) => digest));
  const kept = new Set(after.digests.map(({ digest }) => digest));
  return { added: [...kept].filter((digest) => !old.has(digest)), dropped: [...old].filter((digest) => !kept.has(digest)) };
}

function unknown(id: string): Error {
  return new Error(`There is no key ${id}.`);
}
