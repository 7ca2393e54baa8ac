import { createHash } from 'node:crypto';
import { composeAnchors } from '../../domain/anchors.ts';
import { type Checkpoint, checkpointText, firstPrev, hashOfText } from '../../domain/record.ts';
import { emptySealed, type Sealed, type SegmentSeal } from '../../domain/segment.ts';
import { type LineSigner, signLine } from '../../domain/signed-line.ts';
import type { Archive } from '../../ports/archive.ts';
import type { CheckpointEntry, LineEntry } from '../../ports/dump.ts';

/** Of one segment, about. */
const recordsMax = 2_500;
const charactersMax = 2_000_000;
/** The segment that stands for all that was pruned before the journal came here. */
const prunedSegment = 1;

/** Where the journal that was taken in stands. */
export interface RestoredEnd {
  readonly sealed: Sealed;
  /** The last segment that counts as pruned, and the position of its last record; 0 where the journal is whole. */
  readonly pruned: number;
  readonly position: number;
}

export interface RestoredSegments {
  /** @throws Error for a line that is no record, or is out of place */
  take(entry: LineEntry | CheckpointEntry): Promise<void>;
  /** Keeps what is left. Undefined where there was no line. */
  end(): Promise<RestoredEnd | undefined>;
}

interface Line {
  readonly text: string;
  readonly partition: string;
  readonly seq: number;
  readonly time: number;
  readonly prev: string;
  readonly hash: string;
}

/**
 * Puts the lines of a journal, exactly as they stand, into segments of a new archive, whose seals this gateway signs: the chains of partitions that
 * are used here go on from there. A journal that was pruned begins behind anchors, as if it had been pruned here.
 */
export function createRestoredSegments(options: { archive: Archive; signer: LineSigner; name: string; now: number }): RestoredSegments {
  const { archive, signer, name, now } = options;
  const time = new Date(now).toISOString();
  const anchors: Checkpoint[] = [];
  /** What stands before the first line of each partition. */
  const fronts = new Map<string, { seq: number; hash: string }>();
  let lines: Line[] = [];
  let characters = 0;
  let position: number | undefined;
  let sealed = emptySealed(name);
  let pruned = 0;

  const seal = async (): Promise<void> => {
    if (lines.length === 0) return;
    const composed = composeSegment({ before: sealed, lines, time, signer });
    const number = composed.sealed.number;
    if (!(await archive.put({ series: 'segments', number }, composed.text))) {
      throw new Error(`${archive.describe()} has a segment ${number} already: something else writes into it.`);
    }
    sealed = composed.sealed;
    lines = [];
    characters = 0;
  };

  return {
    async take(entry) {
      if (entry.is === 'checkpoint') {
        const { partition, seq, hash } = entry.checkpoint;
        const front = fronts.get(partition);
        if (front?.seq === seq && front.hash === hash && !anchors.some((anchor) => anchor.partition === partition))
          anchors.push(entry.checkpoint);
        return;
      }
      if (position === undefined && entry.position > 1) {
        pruned = entry.position - 1;
        sealed = { ...sealed, number: prunedSegment, next: entry.position };
      } else if (entry.position !== (position ?? 0) + 1) {
        throw new Error(`The journal has a hole after position ${position ?? 0}; it cannot be taken in.`);
      }
      position = entry.position;
      const line = readLine(entry);
      if (!fronts.has(line.partition)) fronts.set(line.partition, { seq: line.seq - 1, hash: line.prev });
      lines.push(line);
      characters += line.text.length;
      if (lines.length >= recordsMax || characters >= charactersMax) await seal();
    },
    async end() {
      await seal();
      if (position === undefined) return undefined;
      if (pruned > 0) {
        const stated = { v: 1, archive: name, through: prunedSegment, position: pruned, line: firstPrev } as const;
        const text = composeAnchors({ ...stated, time, checkpoints: anchors }, signer);
        await archive.put({ series: 'anchors', number: prunedSegment }, text);
      }
      return { sealed, pruned: pruned > 0 ? prunedSegment : 0, position: pruned };
    },
  };
}

function readLine({ position, text }: LineEntry): Line {
  const stated = JSON.parse(text) as { partition: string; seq: number; time: string; prev: string };
  const { partition, seq, prev } = stated;
  const time = Date.parse(stated.time);
  const hash = hashOfText(text)?.stated;
  if (hash === undefined || Number.isNaN(time))
    throw new Error(`The journal's line at position ${position} is no record; it cannot be taken in.`);
  return { text, partition, seq, time, prev, hash };
}

/** As beginSegment of domain/segment.ts, for records that are chained already. Every one is full: there are few, and this is done once. */
function composeSegment(options: { before: Sealed; lines: readonly Line[]; time: string; signer: LineSigner }): {
  text: string;
  sealed: Sealed;
} {
  const { before, lines, time, signer } = options;
  const checkpoints = new Map(before.checkpoints);
  const heads = new Map(lines.map(({ partition, seq, hash }) => [partition, { partition, seq, hash, time }]));
  for (const [partition, statement] of heads) {
    checkpoints.set(partition, { ...statement, kid: signer.kid, signature: signer.sign(checkpointText(statement)) });
  }
  const stated = [...checkpoints.values()].map((checkpoint) => JSON.stringify({ checkpoint }));
  const body = [...lines.map(({ text }) => text), ...stated].map((line) => `${line}\n`).join('');
  const number = before.number + 1;
  const { archive, next: first, line: prev } = before;
  const records = lines.length;
  const latest = lines.reduce((most, line) => Math.max(most, line.time), 0);
  const seal: SegmentSeal = { v: 1, archive, number, first, records, latest, full: true, time, content: hexOf(body), prev };
  const line = signLine('segment', seal, signer);
  return { text: `${body}${line}\n`, sealed: { archive, number, line: hexOf(line), next: first + records, checkpoints } };
}

function hexOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
