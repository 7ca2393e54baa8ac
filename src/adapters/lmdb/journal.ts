import { type Checkpoint, checkpointText } from '../../domain/record.ts';
import type { Journal } from '../../ports/journal.ts';
import { type Head, partition, readHead } from './append.ts';
import { appendToManifest, readManifest } from './manifest.ts';
import { pruneBatch } from './prune.ts';
import { commit, type Tables } from './tables.ts';

export interface Signer {
  /** JWK thumbprint of the Ed25519 key. */
  readonly kid: string;
  /** Ed25519 signature over the text's UTF-8 bytes, base64url. */
  sign(text: string): string;
}

/** The journal port on LMDB. `folder` holds the manifest of checkpoints. */
export function createJournal({ tables, folder, signer }: { tables: Tables; folder: string; signer: Signer }): Journal {
  const signed = ({ seq, hash }: Head, now: number): Checkpoint => {
    const statement = { partition, seq, hash, time: new Date(now).toISOString() };
    return { ...statement, kid: signer.kid, signature: signer.sign(checkpointText(statement)) };
  };
  return {
    read: ({ after, limit }) => {
      const range = tables.journal.getRange({ start: after + 1, limit });
      return [...range].map(({ key, value }) => ({ seq: key, text: value }));
    },
    head: () => readHead(tables),
    checkpoints: () => merged(tables, folder),
    checkpoint: async (now) => {
      const head = readHead(tables);
      if (head.seq === 0 || tables.checkpoints.doesExist(head.seq)) return undefined;
      const checkpoint = signed(head, now);
      // The head that was read is durable, so the statement may be published before the store remembers it.
      await appendToManifest(folder, checkpoint);
      await commit(tables, () => {
        tables.checkpoints.put(checkpoint.seq, checkpoint);
      });
      return checkpoint;
    },
    prune: async ({ before, now }) => {
      const through = readHead(tables).seq;
      let pruned = 0;
      for (;;) {
        const batch = pruneBatch(tables, { before, through, now });
        if (!batch) return pruned;
        const anchor = signed(batch.last, now);
        await appendToManifest(folder, anchor);
        const done = await commit(tables, () => batch.drop(anchor));
        if (!done) return pruned;
        pruned += batch.count;
      }
    },
  };
}

/** What the store and the manifest hold, each once, in order. */
function merged(tables: Tables, folder: string): Checkpoint[] {
  const all = new Map<string, Checkpoint>();
  const stored = [...tables.checkpoints.getRange({})].map(({ value }) => value);
  for (const checkpoint of [...stored, ...readManifest(folder)]) all.set(`${checkpoint.seq} ${checkpoint.signature}`, checkpoint);
  return [...all.values()].sort((one, other) => one.seq - other.seq);
}
