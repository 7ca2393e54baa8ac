import type { Database } from 'lmdb';
import type { KeyRecord } from '../../domain/key.ts';

/** Reads key records; a record whose stored bytes are the same as last time is not parsed again. */
export type ReadKey = (id: string) => KeyRecord | undefined;

/** How many parsed records are remembered; beyond that all are forgotten and parsed as they come. */
const recordsMax = 10_000;

/**
 * Parsing costs several times what finding the bytes does. Comparing them on every read needs no invalidation: whatever process or
 * transaction changed a record, its bytes differ.
 */
export function createReadKey(keys: Database<KeyRecord, string>): ReadKey {
  const known = new Map<string, { bytes: Buffer; record: KeyRecord }>();
  return (id) => {
    // These bytes are only good until the next read, so they are copied where they are kept.
    const bytes = keys.getBinaryFast(id);
    if (!bytes) return undefined;
    const last = known.get(id);
    if (last?.bytes.equals(bytes)) return last.record;
    const copy = Buffer.from(bytes);
    const record = JSON.parse(copy.toString()) as KeyRecord;
    if (known.size >= recordsMax) known.clear();
    known.set(id, { bytes: copy, record });
    return record;
  };
}
