import { type Checkpoint, firstPrev, hashOfText } from '../../domain/record.ts';
import type { CheckpointEntry, LineEntry } from '../../ports/dump.ts';
import { type ChainEnd, type Head, partition as own } from './append.ts';
import { checkpointKey } from './checkpoint-key.ts';
import type { Manifest } from './manifest.ts';
import type { Tables } from './tables.ts';

/** The journal of an import while it comes in. */
export interface RestoredJournal {
  /** Answers the write, to be run inside a commit. @throws Error for a line that is no record, or is out of place */
  take(entry: LineEntry | CheckpointEntry): () => void;
  /** Puts the checkpoints that were taken into the manifest, before the commit that keeps them. */
  publish(): Promise<void>;
  /** Keeps where the chains stand, to be run inside a commit. */
  end(): void;
}

export function createRestoredJournal(tables: Tables, manifest: Manifest): RestoredJournal {
  const ends = new Map<string, ChainEnd>();
  let unpublished: Checkpoint[] = [];
  let position: number | undefined;
  return {
    take(entry) {
      if (entry.is === 'checkpoint') {
        const { checkpoint } = entry;
        unpublished.push(checkpoint);
        return () => tables.checkpoints.put(checkpointKey(checkpoint), checkpoint);
      }
      const { text } = entry;
      if (position !== undefined && entry.position !== position + 1) {
        throw new Error(`The journal has a hole after position ${position}; it cannot be taken in.`);
      }
      position = entry.position;
      const { partition, seq } = JSON.parse(text) as { partition: string; seq: number };
      const hash = hashOfText(text)?.stated;
      if (hash === undefined) throw new Error(`The journal's line at position ${position} is no record; it cannot be taken in.`);
      ends.set(partition, { seq, hash });
      return () => tables.journal.put(entry.position, text);
    },
    async publish() {
      const some = unpublished;
      unpublished = [];
      if (some.length > 0) await manifest.append(some);
    },
    end() {
      if (position === undefined) return;
      const head: Head = { ...(ends.get(own) ?? { seq: 0, hash: firstPrev }), position };
      tables.meta.put('head', head);
      tables.meta.put('ends', Object.fromEntries([...ends].filter(([partition]) => partition !== own)));
    },
  };
}
