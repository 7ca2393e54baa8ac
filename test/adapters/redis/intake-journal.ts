import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { factsOfEntry } from '../../../src/adapters/redis/journal-entry.ts';
import { everyPartition, inPartition } from '../../../src/adapters/redis/layout.ts';
import { chainRecord, firstPrev } from '../../../src/domain/record.ts';
import type { Journal, JournalLine } from '../../../src/ports/journal.ts';

/**
 * What stands in the intakes, chained anew at each reading, partition by partition: what the ledger wrote, without the sealing that follows. Each
 * entry has to carry the number after the one before it.
 */
export function intakeJournal({ client }: Pick<Connection, 'client'>): Journal {
  const lines = async (): Promise<JournalLine[]> => {
    const all: JournalLine[] = [];
    const partitions = everyPartition();
    const streams = await Promise.all(partitions.map((partition) => client.xrange(inPartition.journal(partition), '-', '+')));
    for (const [at, partition] of partitions.entries()) {
      let head = { seq: 0, hash: firstPrev };
      for (const [id, fields] of streams[at] ?? []) {
        const pairs = Array.from({ length: fields.length / 2 }, (_, pair) => [fields[pair * 2] ?? '', fields[pair * 2 + 1] ?? ''] as const);
        const { time, facts } = factsOfEntry(new Map(pairs));
        const seq = head.seq + 1;
        if (id !== `${seq}-0`) throw new Error(`Partition ${partition} has entry ${id} where ${seq} was expected.`);
        const { text, hash } = chainRecord({ facts, partition, seq, time, prev: head.hash });
        head = { seq, hash };
        all.push({ position: all.length + 1, text });
      }
    }
    return all;
  };
  return {
    read: async ({ after, limit }) => (await lines()).slice(after, after + limit),
    head: async () => (await lines()).length,
    checkpoints: async () => [],
    faults: async () => [],
    checkpoint: async () => [],
    keepUp: async () => undefined,
    prune: async () => 0,
  };
}
