import type { LineSigner } from '../../domain/signed-line.ts';
import type { Archive } from '../../ports/archive.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Restoring, StateEntry } from '../../ports/dump.ts';
import type { Connection } from './connection.ts';
import { createNotes } from './journal/note.ts';
import { createRedisArchive } from './journal/redis-archive.ts';
import { inPartition, prefixOf } from './layout.ts';
import { beginRestore, endRestore } from './restore-mark.ts';
import { runWrites, type Write, writesOf } from './restore-writes.ts';
import { createRestoredSegments, type RestoredEnd } from './restored-segments.ts';

/** Entries that are written at a time. */
const pageEntries = 200;

/**
 * Takes in what another store gave. The journal's lines become segments as they are; chains of the partitions that are used here go on.
 * @throws Error, before any write, where this store or its archive is not empty, has a gateway, or is of another configuration
 */
export async function restore(
  options: { connection: Connection; archive: Archive | undefined; signer: LineSigner; clock: Clock; newId: () => string },
  { entries, check }: Restoring,
): Promise<void> {
  const { connection, signer, clock, newId } = options;
  const archive = options.archive ?? createRedisArchive(connection);
  const name = newId();
  const now = clock.now();
  const segments = createRestoredSegments({ archive, signer, name, now });
  const fingerprints = new Map<string, string>();
  let page: StateEntry[] = [];
  let begun = false;
  const begin = async (): Promise<void> => {
    if (begun) return;
    begun = true;
    await beginRestore(connection, { archive, fingerprints, name });
  };
  const flush = async (): Promise<void> => {
    const some = page;
    page = [];
    const writes = await Promise.all(some.map((entry) => writesOf(connection, entry, now)));
    await runWrites(connection, writes.flat());
  };
  for await (const entry of entries) {
    if (entry.is === 'fingerprint' && !begun) {
      fingerprints.set(entry.name, entry.value);
      continue;
    }
    await begin();
    if (entry.is === 'line' || entry.is === 'checkpoint') await segments.take(entry);
    else {
      // What is kept about a key is found by the key, which has to be there by then.
      if (page.length >= pageEntries || (page[0] && page[0].is !== entry.is)) await flush();
      page.push(entry);
    }
  }
  await begin();
  await flush();
  const end = await segments.end();
  if (end) await keepEnd(connection, end);
  await check();
  await endRestore(connection);
}

/** Numbers of new records go on after those of each partition, and what is sealed is noted. */
async function keepEnd(connection: Connection, { sealed, pruned, position }: RestoredEnd): Promise<void> {
  const seqs = [...sealed.checkpoints.values()].map(({ partition, seq }): Write => {
    const key = prefixOf(partition);
    return { key, command: 'SET', rest: inPartition.seq(partition).slice(key.length), args: [String(seq)] };
  });
  await runWrites(connection, seqs);
  const notes = createNotes(connection);
  const { archive, number, line } = sealed;
  if ((await notes.advance({ archive, number: 0, line: '' }, { number, line })) !== 'ok')
    throw new Error('Redis keeps no note of the archive.');
  if (pruned > 0) await notes.prune(pruned, position);
}
