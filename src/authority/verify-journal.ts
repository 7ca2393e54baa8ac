import type { KeyObject } from 'node:crypto';
import type { Checkpoint } from '../domain/record.ts';
import { beginVerifying } from '../domain/verify-journal.ts';
import type { JournalReport } from '../ports/journal.ts';
import type { Authority } from './authority.ts';
import { readLines } from './export-journal.ts';

/**
 * Verifies the journal as it stands in the store: what its lines prove, and what the store itself finds missing. Checkpoints are read
 * before records, since the journal may be growing.
 */
export async function verifyJournal(
  authority: Pick<Authority, 'journal'>,
  options: { publicKeys: ReadonlyMap<string, KeyObject>; checkpoints?: readonly Checkpoint[] },
): Promise<JournalReport> {
  const { journal } = authority;
  const checkpoints = [...(await journal.checkpoints()), ...(options.checkpoints ?? [])];
  // What was committed a moment ago belongs to it too. Where it cannot be had, the rest is verified all the same.
  const unread = await journal.head().then(
    () => [],
    (error: unknown) => [{ partition: 'all', seq: 0, problem: `the newest records cannot be read: ${String(error)}` }],
  );
  const verifying = beginVerifying({ checkpoints, publicKeys: options.publicKeys });
  for await (const { text } of readLines(journal, { after: 0 })) verifying.take(text);
  const report = verifying.end();
  const faults = [...report.faults, ...unread, ...(await journal.faults())];
  return { ...report, ok: faults.length === 0, faults };
}
