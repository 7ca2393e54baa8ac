import type { Checkpoint } from '../domain/record.ts';
import type { Journal } from '../ports/journal.ts';
import type { Authority } from './authority.ts';

const batchRecords = 1_000;

export interface JournalLine {
  readonly seq: number;
  /** The exact text, which is what hashes and signatures are over. */
  readonly text: string;
}

/** A journal as it stands, to be written out: the records in order, then the statements signed over them. */
export interface JournalExport {
  readonly lines: Iterable<JournalLine>;
  readonly checkpoints: readonly Checkpoint[];
}

/**
 * Signs the head, then takes the journal up to it or a little beyond. Checkpoints are read before the last record is fixed, so none
 * of them can speak of a record that the export lacks, which would look like a cut tail.
 */
export async function exportJournal(authority: Pick<Authority, 'journal' | 'clock'>): Promise<JournalExport> {
  const { journal, clock } = authority;
  await journal.checkpoint(clock.now());
  const checkpoints = journal.checkpoints();
  const through = journal.head().seq;
  return { checkpoints, lines: readLines(journal, { after: 0, through }) };
}

/** Records after one sequence number, through another, read in batches so that a long journal does not fill memory. */
export function* readLines(journal: Pick<Journal, 'read'>, options: { after: number; through?: number }): Generator<JournalLine> {
  const { through = Number.POSITIVE_INFINITY } = options;
  let { after } = options;
  for (;;) {
    const batch = journal.read({ after, limit: batchRecords });
    for (const line of batch) {
      if (line.seq > through) return;
      yield line;
      after = line.seq;
    }
    if (batch.length < batchRecords) return;
  }
}
