import { composeAnchors } from '../../../domain/anchors.ts';
import { segmentProblem } from '../../../domain/check-segment.ts';
import { type Checkpoint, firstPrev, type RecordFacts } from '../../../domain/record.ts';
import { type ParsedSegment, parseSegment, type SegmentSeal } from '../../../domain/segment.ts';
import { prefixOf } from '../layout.ts';
import { loadScript } from '../scripts.ts';
import { archiveError, missingSegment } from './archive-faults.ts';
import type { JournalParts } from './parts.ts';
import type { Sealer } from './sealer.ts';
import type { Survey } from './survey.ts';

/** Segments that one pruning drops: what they are worth in checkpoints and spans is held in memory. */
const segmentsMax = 1_000;
const duty = 'prune';
const dutyMs = 60_000;

/** What the oldest segments, all of whose records are old enough, hold. */
interface Old {
  readonly through: number;
  readonly seal: SegmentSeal;
  readonly line: string;
  readonly records: number;
  /** By partition: the first and the last record dropped. */
  readonly spans: ReadonlyMap<string, { from: number; through: number }>;
  readonly checkpoints: ReadonlyMap<string, Checkpoint>;
}

/**
 * Drops whole segments from the front, never the newest. First the records that say so are sealed, then signed anchors are kept, then the segments
 * are removed: broken off anywhere, the journal still verifies and the next pruning goes on.
 */
export async function pruneSegments(
  parts: JournalParts,
  sealer: Sealer,
  { before, now }: { before: number; now: number },
): Promise<number> {
  if (!(await parts.duties.hold(duty, dutyMs))) return 0;
  try {
    let pruned = 0;
    for (let dropped = segmentsMax; dropped === segmentsMax; ) {
      // The records of the pruning make a segment of their own, so what was the newest before may go, too.
      await sealer.sealAll(now);
      const found = await sealer.look();
      if (found.problems[0]) throw archiveError('pruned', found.problems[0]);
      await removeLeft(parts, found);
      const old = await oldSegments(parts, found, before);
      if (!old) return pruned;
      await drop(parts, sealer, { found, old, before, now });
      pruned += old.records;
      dropped = old.through - (found.anchors?.through ?? 0);
    }
    return pruned;
  } finally {
    await parts.duties.release(duty);
  }
}

async function oldSegments({ archive, publicKeys }: JournalParts, { sealed, anchors }: Survey, before: number): Promise<Old | undefined> {
  const spans = new Map<string, { from: number; through: number }>();
  const checkpoints = new Map(anchors?.checkpoints.map((checkpoint) => [checkpoint.partition, checkpoint]));
  const start = (anchors?.through ?? 0) + 1;
  let last: { segment: ParsedSegment; seal: SegmentSeal } | undefined;
  let next = { prev: anchors?.line ?? firstPrev, first: (anchors?.position ?? 0) + 1 };
  let records = 0;
  for (let number = start; number <= sealed.number && number < start + segmentsMax; number += 1) {
    const text = await archive.get({ series: 'segments', number });
    if (text === undefined) throw archiveError('pruned', missingSegment(archive, number));
    const segment = parseSegment(text);
    const { seal } = segment;
    const problem = segmentProblem(segment, { publicKeys: publicKeys(), place: { number, archive: sealed.archive, ...next } });
    // What is damaged is evidence, and stays.
    if (!seal || problem) throw archiveError('pruned', { number, problem: problem ?? 'it has no seal' });
    if (!(seal.latest < before)) break;
    last = { segment, seal };
    next = { prev: segment.line, first: seal.first + seal.records };
    records += seal.records;
    widen(spans, segment.records);
    for (const checkpoint of segment.checkpoints) checkpoints.set(checkpoint.partition, checkpoint);
  }
  return last && { through: last.seal.number, seal: last.seal, line: last.segment.line, records, spans, checkpoints };
}

function widen(spans: Map<string, { from: number; through: number }>, records: readonly string[]): void {
  for (const record of records) {
    const match = /^\{"v":1,"partition":"([^"\\]+)","seq":([0-9]{1,16}),/.exec(record);
    if (!match?.[1]) continue;
    const seq = Number(match[2]);
    const span = spans.get(match[1]);
    if (span) span.through = Math.max(span.through, seq);
    else spans.set(match[1], { from: seq, through: seq });
  }
}

async function drop(
  parts: JournalParts,
  sealer: Sealer,
  { found, old, before, now }: { found: Survey; old: Old; before: number; now: number },
): Promise<void> {
  const { archive, connection, notes, signer } = parts;
  const script = loadScript('journal-append');
  for (const [partition, { from, through }] of old.spans) {
    const facts: RecordFacts = { kind: 'journal.pruned', fromSeq: from, throughSeq: through, before: new Date(before).toISOString() };
    await connection.run(script, [prefixOf(partition)], [String(now), JSON.stringify(facts)]);
  }
  await sealer.sealAll(now);
  const position = old.seal.first + old.seal.records - 1;
  const stated = { v: 1, archive: found.sealed.archive, through: old.through, position, line: old.line } as const;
  const anchors = composeAnchors({ ...stated, time: new Date(now).toISOString(), checkpoints: [...old.checkpoints.values()] }, signer);
  await archive.put({ series: 'anchors', number: old.through }, anchors);
  await notes.prune(old.through, position);
  const from = (found.anchors?.through ?? 0) + 1;
  for (let number = from; number <= old.through; number += 1) await archive.remove({ series: 'segments', number });
  if (found.anchors) await archive.remove({ series: 'anchors', number: found.anchors.through });
}

/** What a pruning that was broken off left behind its anchors: a run that ends with them, since removing begins at the front. */
async function removeLeft({ archive }: JournalParts, { anchors }: Survey): Promise<void> {
  if (!anchors) return;
  let first = anchors.through + 1;
  while (first > 1 && (await archive.get({ series: 'segments', number: first - 1 })) !== undefined) first -= 1;
  for (let number = first; number <= anchors.through; number += 1) await archive.remove({ series: 'segments', number });
}
