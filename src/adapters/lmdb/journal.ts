import { type Checkpoint, checkpointText } from '../../domain/record.ts';
import type { Journal } from '../../ports/journal.ts';
import { type ChainEnd, partition, readHead } from './append.ts';
import { checkpointKey } from './checkpoint-key.ts';
import type { Manifest } from './manifest.ts';
import { pruneBatch } from './prune.ts';
import type { Tables } from './tables.ts';

export interface Signer {
  /** JWK thumbprint of the Ed25519 key. */
  readonly kid: string;
  /** Ed25519 signature over the text's UTF-8 bytes, base64url. */
  sign(text: string): string;
}

/**
 * The journal port on LMDB. The store's own records are one partition, and a record's position is its sequence number there, unless records
 * were imported: those keep the positions and partitions that they had, and the store's own go on after them.
 */
export function createJournal({ tables, manifest, signer }: { tables: Tables; manifest: Manifest; signer: Signer }): Journal {
  const signed = ({ partition, seq, hash }: ChainEnd & { partition: string }, now: number): Checkpoint => {
    const statement = { partition, seq, hash, time: new Date(now).toISOString() };
    return { ...statement, kid: signer.kid, signature: signer.sign(checkpointText(statement)) };
  };
  return {
    read: async ({ after, limit }) => {
      const range = tables.journal.getRange({ start: after + 1, limit });
      return [...range].map(({ key, value }) => ({ position: key, text: value }));
    },
    head: async () => {
      await tables.catchUp();
      tables.refresh();
      return readHead(tables).position;
    },
    checkpoints: async () => merged(tables, manifest),
    // Whatever can be found wrong here is found by verifying the records.
    faults: async () => [],
    checkpoint: async (now) => {
      await tables.catchUp();
      const { seq, hash } = readHead(tables);
      if (seq === 0 || isSigned(tables, seq)) return [];
      const checkpoint = signed({ partition, seq, hash }, now);
      // The head that was read is durable, so the statement may be published before the store remembers it.
      await manifest.append([checkpoint]);
      await tables.commit(() => {
        tables.checkpoints.put(checkpointKey(checkpoint), checkpoint);
      });
      return [checkpoint];
    },
    // Every commit can be read at once.
    keepUp: async () => undefined,
    prune: async ({ before, now }) => {
      await tables.catchUp();
      const through = readHead(tables).position;
      let pruned = 0;
      for (;;) {
        const batch = pruneBatch(tables, { before, through, now });
        if (!batch) return pruned;
        const anchors = batch.last.map((end) => signed(end, now));
        await manifest.append(anchors);
        const done = await tables.commit(() => batch.drop(anchors));
        if (!done) return pruned;
        pruned += batch.count;
      }
    },
  };
}

/** Whether a checkpoint stands for this place of the store's own chain. */
function isSigned(tables: Tables, seq: number): boolean {
  const [next] = tables.checkpoints.getKeys({ start: [partition, seq], limit: 1 });
  return next?.[0] === partition && next[1] === seq;
}

/** What the store and the manifest hold, each once, in order. */
function merged(tables: Tables, manifest: Manifest): Checkpoint[] {
  const all = new Map<string, Checkpoint>();
  const stored = [...tables.checkpoints.getRange({})].map(({ value }) => value);
  for (const checkpoint of [...stored, ...manifest.read()])
    all.set(`${checkpoint.partition} ${checkpoint.seq} ${checkpoint.signature}`, checkpoint);
  return [...all.values()].sort((one, other) => one.seq - other.seq);
}
