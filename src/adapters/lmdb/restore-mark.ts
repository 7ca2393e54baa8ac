import { servingProcess } from './gateway-lock.ts';
import { nextEpoch } from './key-writes.ts';
import type { Tables } from './tables.ts';

const mark = 'import';

/** @throws Error where an import began and did not end: what it left must not be used */
export function requireWhole(tables: Tables, folder: string): void {
  if (tables.meta.get(mark) === undefined) return;
  throw new Error(
    `An import into this store is running, or was broken off and left a part of it. If none is running, delete ${folder}/store and ` +
      `${folder}/checkpoints.jsonl, then import again.`,
  );
}

/**
 * Marks the store as one that nobody may open, to be run inside one commit.
 * @throws Error, before any write, where the store is not empty, has a gateway, or keeps another fingerprint
 */
export function beginRestore(tables: Tables, fingerprints: ReadonlyMap<string, string>): void {
  const pid = servingProcess(tables);
  if (pid !== undefined) throw new Error(`A gateway (process ${pid}) is serving from this store. Stop it, then import again.`);
  const { meta, keys, accounts, references, counters, holds, ended, once, replays, factors, journal } = tables;
  const first = [keys, accounts, references, counters, holds, once, replays, factors].flatMap((table) => [...table.getKeys({ limit: 1 })]);
  const empty = first.length === 0 && ended.isEmpty() && [...journal.getKeys({ limit: 1 })].length === 0;
  if (!empty || meta.get('head') !== undefined) {
    throw new Error(
      'The store is not empty. An import needs one in which nothing was ever kept, not even a key: configure another folder.',
    );
  }
  for (const [name, value] of fingerprints) {
    const kept = meta.get(`fingerprint ${name}`);
    if (kept !== undefined && kept !== value) {
      throw new Error(`The ${name} configured is not the one that the exported store was made with. Configure that one.`);
    }
  }
  meta.put(mark, true);
  for (const [name, value] of fingerprints) meta.put(`fingerprint ${name}`, value);
}

/** Lets everybody in, to be run inside one commit. */
export function endRestore(tables: Tables): void {
  tables.meta.remove(mark);
  nextEpoch(tables);
}
