import { setImmediate } from 'node:timers/promises';
import type { Checkpoint } from '../../../domain/record.ts';
import { beginSegment, type ComposedSegment, orderDrafts, type Sealed } from '../../../domain/segment.ts';
import { prefixOf } from '../layout.ts';
import { loadScript } from '../scripts.ts';
import { archiveError } from './archive-faults.ts';
import { type Gathered, gather } from './gather.ts';
import { type Entry, fingerprintOf } from './intake.ts';
import type { JournalParts } from './parts.ts';
import { repairNumbers } from './repair.ts';
import type { Survey } from './survey.ts';

/** Records that are chained before other requests get a turn. */
const turnRecords = 200;

export interface SealStep {
  /** Undefined where the archive must be surveyed anew, because another sealer was faster. */
  readonly sealed: Sealed | undefined;
  readonly signed: readonly Checkpoint[];
  /** Partitions in which what was committed before may still wait; absent where that may be in any. */
  readonly rest?: readonly string[];
}

/**
 * Moves what waits into one segment: the segment is kept, then noted in Redis, then the intake is trimmed. Broken off anywhere, it loses
 * nothing and doubles nothing: an entry is trimmed only once the very same entry is sealed.
 * @param options.partitions  those that are looked at: the rest of the step before; absent: all
 */
export async function sealStep(
  parts: JournalParts,
  { sealed, note, problems }: Survey,
  { now, partitions: asked }: { now: number; partitions?: readonly string[] | undefined },
): Promise<SealStep> {
  const [problem] = problems;
  if (problem) throw archiveError('sealed', problem);
  if (!note) {
    const begun = await parts.notes.advance({ archive: parts.newId(), number: 0, line: sealed.line }, { number: 0, line: sealed.line });
    if (begun === 'gone') throw new Error('Redis keeps no note of the archive.');
    return { sealed: undefined, signed: [] };
  }
  if (note.number < sealed.number) return { sealed: undefined, signed: [] };
  const gathered = await gather(parts.connection, sealed, asked);
  const { rest } = gathered;
  const { partitions, trimmable } = await repairNumbers(parts, { sealed, gathered });
  if (partitions.length > 0) return { sealed, signed: [] };
  await trim(parts, trimmable);
  if (gathered.records === 0) return { sealed, signed: [], rest };
  const segment = await compose({ sealed, gathered, now, signer: parts.signer });
  const { number } = segment.sealed;
  if (!(await parts.archive.put({ series: 'segments', number }, segment.text))) return { sealed: undefined, signed: [] };
  const noted = await parts.notes.advance(sealed, segment.sealed);
  if (noted !== 'ok') return { sealed: undefined, signed: [] };
  tellMissing(parts, gathered);
  await trim(parts, new Map([...gathered.fresh].flatMap(([partition, entries]) => lastOf(partition, entries))));
  return { sealed: segment.sealed, signed: segment.signed, rest };
}

async function compose(options: {
  sealed: Sealed;
  gathered: Gathered;
  now: number;
  signer: JournalParts['signer'];
}): Promise<ComposedSegment> {
  const { sealed, gathered, now, signer } = options;
  const segment = beginSegment(sealed);
  const drafts = orderDrafts([...gathered.fresh.values()].flatMap((entries) => entries.map(({ draft }) => draft)));
  for (const [at, draft] of drafts.entries()) {
    if (at % turnRecords === turnRecords - 1) await setImmediate();
    segment.add(draft);
  }
  return segment.finish({ now, signer });
}

async function trim({ connection }: JournalParts, last: ReadonlyMap<string, Entry>): Promise<void> {
  const script = loadScript('journal-trim');
  const runs = [...last].map(([partition, entry]) =>
    connection.run(script, [prefixOf(partition)], [String(entry.seq), fingerprintOf(entry)]),
  );
  await Promise.all(runs);
}

function lastOf(partition: string, entries: readonly Entry[]): [string, Entry][] {
  const last = entries.at(-1);
  return last ? [[partition, last]] : [];
}

/** The hole stays in the chain, where verifying finds it for ever; the log says so at once. */
function tellMissing({ log }: JournalParts, { missing, foreign }: Gathered): void {
  for (const [partition, seqs] of missing) {
    log.fault('journal entries are missing', new Error(`${partition}: ${seqs.join(', ')} were taken out of Redis before they were sealed`));
  }
  for (const [partition, ids] of foreign) {
    log.fault('entries in the journal that keygate did not write', new Error(`${partition}: ${ids.slice(0, 10).join(', ')}`));
  }
}
