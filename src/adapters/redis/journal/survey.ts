import type { KeyObject } from 'node:crypto';
import { type Anchors, readAnchors } from '../../../domain/anchors.ts';
import { segmentProblem } from '../../../domain/check-segment.ts';
import { type Checkpoint, firstPrev } from '../../../domain/record.ts';
import { emptySealed, type ParsedSegment, parseSegment, type Sealed, type SegmentSeal } from '../../../domain/segment.ts';
import type { Archive } from '../../../ports/archive.ts';
import { brokenChain, cutArchive, missingSegment, movedTo, otherArchive, type SegmentFault, strangeArchive } from './archive-faults.ts';
import type { Note, Notes } from './note.ts';

/** What the archive and Redis say together of how far the journal is sealed. */
export interface Survey {
  readonly sealed: Sealed;
  /** Of the newest pruning. */
  readonly anchors: Anchors | undefined;
  /** What Redis knows; undefined before anything was sealed, or where it is lost. */
  readonly note: Note | undefined;
  /** Why nothing may be sealed or trimmed: the archive is not the one that Redis knows, or its end is damaged. */
  readonly problems: readonly SegmentFault[];
}

interface Sight {
  readonly archive: Archive;
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  readonly note: Note | undefined;
  readonly anchors: Anchors | undefined;
  /** How far it was sealed before. */
  readonly known: Sealed | undefined;
}

/** Reads how far the journal is sealed. `before` is an earlier answer without problems, from which it goes on. */
export async function survey(options: {
  archive: Archive;
  notes: Notes;
  publicKeys: ReadonlyMap<string, KeyObject>;
  before?: Pick<Survey, 'sealed' | 'anchors'> | undefined;
}): Promise<Survey> {
  const { archive, notes, publicKeys, before } = options;
  // The note is read first, so that what it names is kept already.
  const note = await notes.read();
  const newest = await archive.newest('segments');
  const { anchors, fault } = await newestAnchors({ archive, publicKeys, note, anchors: before?.anchors });
  const known = before && before.sealed.archive === note?.archive && before.sealed.number <= newest ? before.sealed : undefined;
  const { sealed, problems } = await walkBack(newest, { archive, publicKeys, note, anchors, known });
  if (!note && newest > 0) problems.unshift(strangeArchive(archive, newest));
  // One that was moved says so, and why nothing follows.
  const moved = problems.some(({ number }) => number === 0);
  if (note && newest < note.number && !moved) problems.unshift(cutArchive(archive, { newest, noted: note.number }));
  if (fault) problems.push(fault);
  return { sealed, anchors, note, problems };
}

interface Sealing {
  readonly segment: ParsedSegment;
  readonly seal: SegmentSeal;
}

/**
 * From the newest segment back to the one that Redis noted, and to where the checkpoints of all partitions are known: a full segment, what
 * was known before, or the anchors of what was pruned.
 */
async function walkBack(newest: number, sight: Sight): Promise<{ sealed: Sealed; problems: SegmentFault[] }> {
  const { archive, note, known, anchors } = sight;
  const problems: SegmentFault[] = [];
  const checkpoints = new Map<string, Checkpoint>();
  const learn = (older: Iterable<Checkpoint>): void => {
    for (const one of older) if (!checkpoints.has(one.partition)) checkpoints.set(one.partition, one);
  };
  let head: Sealing | undefined;
  /** What the segment above says of the one below it. */
  let prev: string | undefined;
  let number = newest;
  for (let full = false; number > stopAt(sight) && !(full && number < (note?.number ?? Number.POSITIVE_INFINITY)); number -= 1) {
    const text = await archive.get({ series: 'segments', number });
    const segment = text === undefined ? undefined : parseSegment(text);
    const fault = segment && text !== undefined ? segmentFault({ text, segment, number, prev }, sight) : missingSegment(archive, number);
    if (fault) problems.push(fault);
    // A damaged segment, or a forged one, says nothing that is believed.
    const seal = fault ? undefined : segment?.seal;
    prev = seal?.prev;
    if (!segment || !seal) continue;
    head ??= { segment, seal };
    learn(segment.checkpoints);
    full ||= seal.full;
  }
  if (number === stopAt(sight)) {
    const below = number === 0 ? firstPrev : number === known?.number ? known.line : anchors?.line;
    if (prev !== undefined && prev !== below) problems.push(brokenChain(number + 1));
    learn(number === 0 ? [] : number === known?.number ? known.checkpoints.values() : (anchors?.checkpoints ?? []));
  }
  if (known && known.number === note?.number && known.line !== note.line) problems.push(otherArchive(archive, known.number));
  if (!head) return { sealed: known ?? emptySealed(note?.archive ?? ''), problems };
  const { segment, seal } = head;
  const sealed = { archive: seal.archive, number: seal.number, line: segment.line, next: seal.first + seal.records, checkpoints };
  return { sealed, problems };
}

/** The last number, going back, that need not be read. */
function stopAt({ known, anchors }: Sight): number {
  return Math.max(known?.number ?? 0, anchors?.through ?? 0);
}

function segmentFault(
  { text, segment, number, prev }: { text: string; segment: ParsedSegment; number: number; prev: string | undefined },
  { archive, publicKeys, note }: Sight,
): SegmentFault | undefined {
  const moved = movedTo(text);
  if (moved !== undefined) return { number: 0, problem: `${archive.describe()} was moved to ${moved}: configure that as journal.archive` };
  const problem = segmentProblem(segment, { publicKeys, place: { number, archive: note?.archive } });
  if (problem) return { number, problem };
  if (prev !== undefined && segment.line !== prev) return brokenChain(number + 1);
  return note?.number === number && note.line !== segment.line ? otherArchive(archive, number) : undefined;
}

/** @param sight.anchors  those that were the newest before */
async function newestAnchors(sight: Omit<Sight, 'known'>): Promise<{ anchors?: Anchors; fault?: SegmentFault }> {
  const { archive, publicKeys, note } = sight;
  const through = await archive.newest('anchors');
  if (through === 0 || !note) return {};
  if (sight.anchors?.through === through && sight.anchors.archive === note.archive) return { anchors: sight.anchors };
  const text = await archive.get({ series: 'anchors', number: through });
  const about = `the anchors of the pruned segments up to ${through}`;
  if (text === undefined) return { fault: { number: 0, problem: `${about} are missing from ${archive.describe()}` } };
  const anchors = readAnchors(text, { publicKeys, archive: note.archive, through });
  return 'problem' in anchors ? { fault: { number: 0, problem: `${about} cannot be believed: ${anchors.problem}` } } : { anchors };
}
