import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { entriesOfRow, factsOfEntry } from '../../../src/adapters/redis/journal-entry.ts';
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
        const row = entriesOfRow(id, fields);
        if (row?.[0]?.seq !== head.seq + 1) throw new Error(`Partition ${partition} has row ${id} where ${head.seq + 1} was expected.`);
        for (const entry of row) {
          const { time, facts } = factsOfEntry(entry);
          const { text, hash } = chainRecord({ facts, partition, seq: entry.seq, time, prev: head.hash });
          head = { seq: entry.seq, hash };
          all.push({ position: all.length + 1, text });
        }
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
