import type { KeyRecord } from '../../domain/key.ts';
import { revokedRecord } from '../../domain/key-change.ts';
import { actorFacts, factsOf } from '../../domain/key-facts.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { entryArguments } from './key-entry.ts';
import { announced, type KeyStore, tooContended, tooLate, triesMax, writeKey } from './key-write.ts';

/** Marks the key revoked, whatever else is changed about it at the same time. Resolves to the record as it stands. */
export async function revokeKey(
  store: KeyStore,
  id: string,
  { reason, at, by }: Parameters<Keyring['revoke']>[1],
): Promise<KeyRecord | undefined> {
  const name = store.nextName();
  for (let left = triesMax; left > 0; left -= 1) {
    const before = (await store.records.read(id))?.record;
    if (!before) return undefined;
    if (before.revokedAt !== undefined) {
      // Whoever revoked it may not have got to say so, and whoever asks again waits for what is said now.
      await store.feed.added(id);
      return before;
    }
    const record = revokedRecord(before, { reason, at });
    const facts = { ...factsOf(before), kind: 'key.revoked', ...actorFacts(by), reason } as const;
    const write = { record, expected: before.revision, line: [], name, entry: entryArguments(facts, at) };
    const answer = await announced(store, id, (deadline) => writeKey(store, { ...write, deadline }));
    if (answer === 'ok') return record;
    if (answer === 'late') throw tooLate(id);
  }
  throw tooContended(id);
}
