import type { Checkpoint } from '../domain/record.ts';
import type { Journal, JournalLine } from '../ports/journal.ts';
import type { Authority } from './authority.ts';

const batchRecords = 1_000;

/** A journal as it stands, to be written out: the records in order, then the statements signed over them. */
export interface JournalExport {
  readonly lines: AsyncIterable<JournalLine>;
  readonly checkpoints: readonly Checkpoint[];
}

/**
 * Signs what is there, then takes the journal up to it or a little beyond. Checkpoints are read before the last record is fixed, so none
 * of them can speak of a record that the export lacks, which would look like a cut tail.
 */
export async function exportJournal(authority: Pick<Authority, 'journal' | 'clock'>): Promise<JournalExport> {
  const { journal, clock } = authority;
  await journal.checkpoint(clock.now());
  const checkpoints = await journal.checkpoints();
  const through = await journal.head();
  return { checkpoints, lines: readLines(journal, { after: 0, through }) };
}

/** Records after one position, through another, read in batches so that a long journal does not fill memory. */
export async function* readLines(
  journal: Pick<Journal, 'read'>,
  options: { after: number; through?: number },
): AsyncGenerator<JournalLine, void, undefined> {
  const { through = Number.POSITIVE_INFINITY } = options;
  let { after } = options;
  for (;;) {
    const batch = await journal.read({ after, limit: batchRecords });
    for (const line of batch) {
      if (line.position > through) return;
      yield line;
      after = line.position;
    }
    if (batch.length < batchRecords) return;
  }
}
