import type { Database } from 'lmdb';
import type { KeyRecord } from '../../domain/key.ts';

/** How many parsed records are remembered; beyond that all are forgotten and parsed as they come. */
const recordsMax = 10_000;

/**
 * Reads key records; a record whose stored bytes are the same as last time is not parsed again.
 *
 * Parsing costs several times what finding the bytes does. Comparing them on every read needs no invalidation: whatever process or
 * transaction changed a record, its bytes differ.
 */
export function createReadKey(keys: Database<KeyRecord, string>): (id: string) => KeyRecord | undefined {
  const known = new Map<string, { bytes: Buffer; record: KeyRecord }>();
  return (id) => {
    const shared = keys.getBinaryFast(id);
    if (!shared) return undefined;
    // lmdb-js states the value's length on a longer buffer that the next read overwrites: hence the view here and the copy below.
    const bytes = shared.subarray(0, shared.length);
    const last = known.get(id);
    if (last && Buffer.compare(last.bytes, bytes) === 0) return last.record;
    const copy = Buffer.from(bytes);
    const record = JSON.parse(copy.toString()) as KeyRecord;
    if (known.size >= recordsMax) known.clear();
    known.set(id, { bytes: copy, record });
    return record;
  };
}
