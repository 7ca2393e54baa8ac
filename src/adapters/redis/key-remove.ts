import type { KeyRecord } from '../../domain/key.ts';
import { actorFacts, factsOf } from '../../domain/key-facts.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { entryArguments } from './key-entry.ts';
import { announced, type KeyStore, tooContended, tooLate, triesMax } from './key-write.ts';
import { prefixOf } from './layout.ts';

/** A resend of the deletion is known by its name for this long, in milliseconds. */
const goneMsKept = 60_000;

/**
 * Deletes a key with all that is kept about it except the journal. Calls of it that are still running end as they would have;
 * descendants find an ancestor missing from now on and are refused.
 */
export async function removeKey(
  store: KeyStore,
  id: string,
  { reason, at, by }: Parameters<Keyring['remove']>[1],
): Promise<KeyRecord | undefined> {
  const name = store.nextName();
  for (let left = triesMax; left > 0; left -= 1) {
    const stored = await store.records.read(id);
    if (!stored) return undefined;
    const { record, partition } = stored;
    const facts = { ...factsOf(record), kind: 'key.deleted', ...actorFacts(by), name: record.name, reason } as const;
    const entry = entryArguments(facts, at);
    const answer = await announced(store, id, (deadline) => {
      const args = [id, String(record.revision), name, String(deadline), ...entry, String(goneMsKept)];
      return store.connection.run(store.scripts.remove, [prefixOf(partition)], args);
    });
    if (answer === 'late') throw tooLate(id);
    if (answer !== 'ok') continue;
    // The key is gone; what leads to it and could not be removed leads to nothing.
    await store.claims.dropKey(record).catch(() => undefined);
    return record;
  }
  throw tooContended(id);
}
