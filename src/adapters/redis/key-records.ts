import type { KeyRecord } from '../../domain/key.ts';
import type { Connection } from './connection.ts';
import { elsewhere, inPartition } from './layout.ts';

/** A key as it is stored, and where. */
export interface StoredKey {
  readonly record: KeyRecord;
  readonly partition: string;
}

/** Reads key records. Pointers lead to them and prove nothing: what counts is what the record says. */
export interface KeyRecords {
  read(id: string): Promise<StoredKey | undefined>;
  /** The key whose digests hold this one, whether that secret still works or not. */
  ofDigest(digest: string): Promise<StoredKey | undefined>;
}

/** How many pointers are remembered; beyond that all are forgotten. */
const pointersMax = 10_000;

/**
 * A key is in one partition for ever, so a pointer that was followed once saves a round trip. One that leads nowhere is read again: the key may
 * have been deleted, and its id or its secret may have been given anew.
 */
export function createKeyRecords({ client }: Pick<Connection, 'client'>): KeyRecords {
  const partitions = new Map<string, string>();
  const owners = new Map<string, string>();

  const remember = (pointers: Map<string, string>, name: string, target: string): void => {
    if (pointers.size >= pointersMax) pointers.clear();
    pointers.set(name, target);
  };

  const readIn = async (partition: string, id: string): Promise<StoredKey | undefined> => {
    const text = await client.hget(inPartition.key(partition, id), 'record');
    if (text === null) return undefined;
    const record = JSON.parse(text) as KeyRecord;
    // Ids are sent as UTF-8, in which texts that are no Unicode become equal to others.
    return record.id === id ? { record, partition } : undefined;
  };

  const read = async (id: string): Promise<StoredKey | undefined> => {
    const known = partitions.get(id);
    const found = known === undefined ? undefined : await readIn(known, id);
    if (found) return found;
    partitions.delete(id);
    const partition = await client.get(elsewhere.id(id));
    if (partition === null || partition === known) return undefined;
    remember(partitions, id, partition);
    return readIn(partition, id);
  };

  const ofDigest = async (digest: string): Promise<StoredKey | undefined> => {
    const holds = (key: StoredKey | undefined) => key?.record.digests.some((each) => each.digest === digest);
    const known = owners.get(digest);
    const found = known === undefined ? undefined : await read(known);
    if (holds(found)) return found;
    owners.delete(digest);
    const owner = readDigestPointer(await client.get(elsewhere.digest(digest)));
    if (!owner || owner.id === known) return undefined;
    if (!partitions.has(owner.id)) remember(partitions, owner.id, owner.partition);
    const key = await read(owner.id);
    if (!holds(key)) return undefined;
    remember(owners, digest, owner.id);
    return key;
  };

  return { read, ofDigest };
}

export function digestPointer({ id, partition }: { id: string; partition: string }): string {
  return `${id} ${partition}`;
}

function readDigestPointer(text: string | null): { id: string; partition: string } | undefined {
  if (text === null) return undefined;
  const space = text.lastIndexOf(' ');
  return { id: text.slice(0, space), partition: text.slice(space + 1) };
}
