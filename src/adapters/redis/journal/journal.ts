import type { KeyObject } from 'node:crypto';
import type { LineSigner } from '../../../domain/signed-line.ts';
import type { Archive } from '../../../ports/archive.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Duties } from '../../../ports/duties.ts';
import type { Journal } from '../../../ports/journal.ts';
import type { Log } from '../../../ports/observe.ts';
import type { Connection } from '../connection.ts';
import { findFaults } from './faults.ts';
import { createNotes } from './note.ts';
import type { JournalParts } from './parts.ts';
import { pruneSegments } from './prune.ts';
import { readSegments } from './read.ts';
import { createRedisArchive } from './redis-archive.ts';
import { createSealer } from './sealer.ts';
import { createSegments } from './segments.ts';

/**
 * Scripts append entries to one stream for each partition; this seals them into numbered segments, and reads those. Every process may seal: one at
 * a time does, by a duty.
 * @param options.archive  where segments are kept; absent: in Redis itself, from where they move to the first archive that is configured
 * @param options.publicKeys  checkpoint keys by their id, those that no longer sign included
 * @param options.newId  a name that is never used twice
 */
export function createRedisJournal(options: {
  connection: Connection;
  archive?: Archive | undefined;
  duties: Duties;
  signer: LineSigner;
  publicKeys: () => ReadonlyMap<string, KeyObject>;
  clock: Clock;
  log: Log;
  newId: () => string;
}): Journal {
  const { connection, clock } = options;
  const redisArchive = createRedisArchive(connection);
  const notes = createNotes(connection);
  const parts: JournalParts = { ...options, redisArchive, archive: options.archive ?? redisArchive, notes };
  const sealer = createSealer(parts);
  const segments = createSegments(parts.archive);
  return {
    async read({ after, limit }) {
      const note = await notes.read();
      if (!note) return [];
      const span = { oldest: note.pruned + 1, newest: note.number, first: note.position + 1 };
      return readSegments(segments, span, { after, limit });
    },
    async head() {
      await sealer.sealAll(clock.now());
      return (await sealer.look()).sealed.next - 1;
    },
    async checkpoints() {
      const { sealed, anchors } = await sealer.look();
      const all = [...(anchors?.checkpoints ?? []), ...sealed.checkpoints.values()];
      const each = new Map(all.map((checkpoint) => [`${checkpoint.partition} ${checkpoint.seq} ${checkpoint.signature}`, checkpoint]));
      return [...each.values()].sort((one, other) => one.seq - other.seq);
    },
    faults: () => findFaults(parts, sealer.look),
    checkpoint: (now) => sealer.seal(now),
    prune: ({ before, now }) => pruneSegments(parts, sealer, { before, now }),
    keepUp: (now) => sealer.sealIfFull(now),
  };
}
