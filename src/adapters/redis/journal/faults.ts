import { segmentProblem } from '../../../domain/check-segment.ts';
import { firstPrev } from '../../../domain/record.ts';
import { parseSegment } from '../../../domain/segment.ts';
import type { JournalFault } from '../../../ports/journal.ts';
import { brokenChain, missingSegment, type SegmentFault } from './archive-faults.ts';
import { countIntake, readIntake } from './intake.ts';
import type { JournalParts } from './parts.ts';
import type { Survey } from './survey.ts';

const pageRows = 200;
/** Sealing moves entries while they are looked at: then they are looked at again. */
const triesMax = 5;

/** Everything that is wrong with the segments and with what waits, as far as it can be told without reading the records themselves. */
export async function findFaults(parts: JournalParts, look: () => Promise<Survey>): Promise<JournalFault[]> {
  const found = await look();
  const segments = [...found.problems, ...(await checkSegments(parts, found))];
  const told = new Map(segments.map((fault) => [`${fault.number} ${fault.problem}`, fault]));
  const named = [...told.values()].sort((one, other) => one.number - other.number);
  return [...named.map(({ number, problem }) => ({ partition: 'segments', seq: number, problem })), ...(await checkIntake(parts, look))];
}

/** Every segment from the oldest: there, signed, unchanged, and following the one before. */
async function checkSegments({ archive, publicKeys }: JournalParts, { sealed, anchors, note }: Survey): Promise<SegmentFault[]> {
  const faults: SegmentFault[] = [];
  const newest = Math.max(note?.number ?? 0, await archive.newest('segments'), sealed.number);
  const begin = note
    ? { number: (anchors?.through ?? 0) + 1, prev: anchors?.line ?? firstPrev, first: (anchors?.position ?? 0) + 1 }
    : undefined;
  let prev: string | undefined = begin?.prev;
  let first: number | undefined = begin?.first;
  for (let number = begin?.number ?? newest + 1; number <= newest; number += 1) {
    const text = await archive.get({ series: 'segments', number });
    const segment = parseSegment(text ?? '');
    const place = { number, first, archive: note?.archive };
    const problem = text === undefined ? undefined : segmentProblem(segment, { publicKeys: publicKeys(), place });
    if (text === undefined) faults.push(missingSegment(archive, number));
    else if (problem) faults.push({ number, problem });
    else if (prev !== undefined && segment.seal?.prev !== prev) faults.push(brokenChain(number));
    prev = segment.seal ? segment.line : undefined;
    first = segment.seal && !problem ? segment.seal.first + segment.seal.records : undefined;
  }
  return faults;
}

/** Entries that were taken out of Redis, put there by hand, or lost with acknowledged writes, before anything of it is sealed. */
async function checkIntake(parts: JournalParts, look: () => Promise<Survey>): Promise<JournalFault[]> {
  for (let tries = 1; ; tries += 1) {
    const { sealed } = await look();
    const faults = await checkAgainst(parts, new Map([...sealed.checkpoints].map(([partition, { seq }]) => [partition, seq])));
    if (faults.length === 0 || tries === triesMax || (await look()).sealed.number === sealed.number) return faults;
  }
}

async function checkAgainst({ connection }: JournalParts, heads: ReadonlyMap<string, number>): Promise<JournalFault[]> {
  const faults: JournalFault[] = [];
  for (const { partition, rows, seq } of await countIntake(connection)) {
    const head = heads.get(partition) ?? 0;
    if (seq < head) {
      const problem = `Redis lost acknowledged writes: it stands at ${seq}, although ${head} records are sealed`;
      faults.push({ partition, seq: seq + 1, problem });
    } else if (rows > 0 || seq > head) faults.push(...(await checkStream({ connection }, { partition, head })));
  }
  return faults;
}

async function checkStream(
  { connection }: Pick<JournalParts, 'connection'>,
  at: { partition: string; head: number },
): Promise<JournalFault[]> {
  const { partition, head } = at;
  const faults: JournalFault[] = [];
  let expected = head + 1;
  for (let after: number | undefined = 0; after !== undefined; ) {
    const [waiting] = await readIntake(connection, [{ partition, after, count: pageRows }]);
    if (!waiting) break;
    for (const { seq } of waiting.entries) {
      // Sealed, and not trimmed yet.
      if (seq < expected) continue;
      if (seq > expected) faults.push({ partition, seq: expected, problem: takenOut(expected, seq - 1) });
      expected = seq + 1;
    }
    for (const id of waiting.foreign)
      faults.push({ partition, seq: expected, problem: `an entry stands in Redis that keygate did not write: ${id}` });
    after = waiting.more ? waiting.entries.at(-1)?.seq : undefined;
    if (after === undefined && waiting.seq >= expected) faults.push({ partition, seq: expected, problem: takenOut(expected, waiting.seq) });
  }
  return faults;
}

function takenOut(from: number, through: number): string {
  const which = from === through ? `entry ${from} was` : `entries ${from} to ${through} were`;
  return `${which} taken out of Redis before being sealed`;
}
