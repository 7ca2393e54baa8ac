import { type KeyRecord, rootOf } from '../../domain/key.ts';
import { checkDescent } from '../../domain/key-change.ts';
import { mintedFacts } from '../../domain/key-facts.ts';
import type { Actor } from '../../ports/keyring.ts';
import { entryArguments } from './key-entry.ts';
import type { KeyRecords } from './key-records.ts';
import { type KeyStore, tooContended, triesMax, writeKey } from './key-write.ts';
import { partitionOf } from './layout.ts';

/** Adds a key. Descent is checked on the records that were read, and the script commits only where they are still the stored ones. */
export async function insertKey(store: KeyStore, { record, by }: { record: KeyRecord; by: Actor }): Promise<void> {
  const { id } = record;
  const owner = { id, partition: partitionOf(rootOf(record)) };
  const name = store.nextName();
  const entry = entryArguments(mintedFacts(record, by), store.clock.now());
  const taken = () => new Error(`Key ${id} exists already.`);
  if (await store.records.read(id)) throw taken();
  for (let left = triesMax; left > 0; left -= 1) {
    const line = await readLine(store.records, record);
    const digests = record.digests.map(({ digest }) => digest);
    if (!(await store.claims.digests(digests, owner))) throw new Error(`The secret of key ${id} exists already.`);
    if (!(await store.claims.id(owner))) throw taken();
    const answer = await writeKey(store, { record, expected: undefined, line, name, deadline: undefined, entry });
    if (answer === 'ok') return store.feed.added(id);
    if (answer !== 'line') throw taken();
  }
  throw tooContended(id);
}

/** The stored ancestors of a new key. @throws Error where it may not descend from them */
async function readLine(records: KeyRecords, record: KeyRecord): Promise<KeyRecord[]> {
  const [parentId] = record.parentIds;
  if (parentId === undefined) return [];
  const parent = (await records.read(parentId))?.record;
  const ids = [parentId, ...(parent?.parentIds ?? [])];
  const above = await Promise.all(ids.slice(1).map((id) => records.read(id)));
  const line = [parent, ...above.map((key) => key?.record)];
  checkDescent(record, parent, ids[line.indexOf(undefined)]);
  return line.filter((key) => key !== undefined);
}
