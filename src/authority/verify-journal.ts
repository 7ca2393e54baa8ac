import type { KeyObject } from 'node:crypto';
import type { Checkpoint } from '../domain/record.ts';
import { verifyLines } from '../domain/verify-journal.ts';
import type { JournalReport } from '../ports/journal.ts';
import type { Authority } from './authority.ts';
import { type JournalLine, readLines } from './export-journal.ts';

/** Verifies the journal as it stands in the store. Checkpoints are read before records, since the journal may be growing. */
export function verifyJournal(
  authority: Pick<Authority, 'journal'>,
  options: { publicKeys: ReadonlyMap<string, KeyObject>; checkpoints?: readonly Checkpoint[] },
): JournalReport {
  const checkpoints = [...authority.journal.checkpoints(), ...(options.checkpoints ?? [])];
  return verifyLines(textsOf(readLines(authority.journal, { after: 0 })), { checkpoints, publicKeys: options.publicKeys });
}

function* textsOf(lines: Iterable<JournalLine>): Generator<string> {
  for (const line of lines) yield line.text;
}
