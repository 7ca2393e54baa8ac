import type { Database } from 'lmdb';
import type { KeyRecord } from '../../domain/key.ts';
import type { Gathering } from './gathered.ts';

/** How many parsed records are remembered; beyond that all are forgotten and parsed as they come. */
const recordsMax = 10_000;

type Keys = Pick<Database<KeyRecord, string>, 'get' | 'doesExist' | 'put' | 'remove' | 'getRange' | 'getKeys' | 'getBinaryFast'>;

/** The table of key records, and how they are read fast. */
export interface KeyRecords extends Pick<Keys, 'get' | 'doesExist' | 'put' | 'remove' | 'getRange' | 'getKeys'>, Gathering {
  readonly read: (id: string) => KeyRecord | undefined;
}

interface Known {
  readonly bytes: Buffer;
  readonly record: KeyRecord;
  /** The count of changes as of which a commit compared the bytes; -1 where none did. */
  as: number;
}

/**
 * Reads key records. A record whose stored bytes are the same as last time is not parsed again: parsing costs several times what finding the bytes does,
 * and comparing them needs no invalidation, since whatever changed a record, its bytes differ. Inside a commit not even that is done where nobody has
 * committed and nothing here was written since.
 * @param aside told of each change: none is a line of a redo
 */
export function createKeyRecords(keys: Keys, aside: () => void = () => undefined): KeyRecords {
  const known = new Map<string, Known>();
  let open = false;
  let wrote = false;
  let changes = 0;

  const changed = (): void => {
    aside();
    changes += 1;
    wrote = true;
  };
  const read = (id: string): KeyRecord | undefined => {
    const last = known.get(id);
    if (open && last?.as === changes) return last.record;
    const shared = keys.getBinaryFast(id);
    if (!shared) return undefined;
    // lmdb-js states the value's length on a longer buffer that the next read overwrites: hence the view here and the copy below.
    const bytes = shared.subarray(0, shared.length);
    if (last && Buffer.compare(last.bytes, bytes) === 0) {
      // Outside of a commit the bytes may be older than what was written since.
      if (open) last.as = changes;
      return last.record;
    }
    const copy = Buffer.from(bytes);
    const record = JSON.parse(copy.toString()) as KeyRecord;
    if (known.size >= recordsMax) known.clear();
    known.set(id, { bytes: copy, record, as: open ? changes : -1 });
    return record;
  };
  return {
    read,
    get: (id) => keys.get(id),
    doesExist: (id) => keys.doesExist(id),
    put(id, record) {
      changed();
      return keys.put(id, record);
    },
    remove(id) {
      changed();
      return keys.remove(id);
    },
    getRange: (range) => keys.getRange(range),
    getKeys: (range) => keys.getKeys(range),
    begin(kept) {
      open = true;
      wrote = false;
      if (!kept) changes += 1;
    },
    end() {
      open = false;
      return wrote;
    },
  };
}
