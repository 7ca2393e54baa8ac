import { createHash } from 'node:crypto';
import { type Checkpoint, chainRecord, checkpointText, firstPrev, type RecordFacts } from './record.ts';
import { type LineSigner, membersOfLine, signLine } from './signed-line.ts';

/**
 * A journal of many partitions is kept in segments: JSON lines that are never changed. First the records, each chained within its partition, in
 * the order of their times as far as each partition's own order allows. Then a checkpoint for each partition that got a record; a full segment
 * has one for every partition ever used. The last line is the seal, signed over all lines before it and over the seal of the segment
 * before, so that segments are a chain too.
 */
export interface SegmentSeal {
  readonly v: 1;
  /** Names the archive for ever: segments of two archives never mix. */
  readonly archive: string;
  /** From 1, without holes. */
  readonly number: number;
  /** Position of its first record over the whole journal, from 1. */
  readonly first: number;
  readonly records: number;
  /** Time of the youngest record, ms. */
  readonly latest: number;
  /** It has checkpoints of every partition ever used. */
  readonly full: boolean;
  /** ISO 8601, UTC: when it was sealed. */
  readonly time: string;
  /** SHA-256, hex, over all text before the seal. */
  readonly content: string;
  /** SHA-256, hex, over the last line of the segment before; 64 zeros for the first. */
  readonly prev: string;
}

/** How far a journal is sealed. */
export interface Sealed {
  readonly archive: string;
  /** Of the newest segment, 0 where there is none. */
  readonly number: number;
  /** SHA-256, hex, over the newest segment's last line; 64 zeros where there is none. */
  readonly line: string;
  /** The position that the next record gets. */
  readonly next: number;
  /** The newest checkpoint of every partition ever used: its sequence number and hash are what the next record follows. */
  readonly checkpoints: ReadonlyMap<string, Checkpoint>;
}

export interface Draft {
  readonly partition: string;
  readonly seq: number;
  /** Milliseconds. */
  readonly time: number;
  /** As chainRecord() takes them. */
  readonly facts: RecordFacts | string;
}

/** A segment that is ready to be kept, and how far the journal is sealed once it is. */
export interface ComposedSegment {
  readonly text: string;
  readonly records: number;
  /** Checkpoints of the partitions that got records. */
  readonly signed: readonly Checkpoint[];
  readonly sealed: Sealed;
}

/** From this number on, counted from the last full one, a segment is full: who begins to seal reads back to it. */
const fullEvery = 64;
/** A segment this many times longer than all checkpoints can as well be full. */
const fullShare = 20;
const checkpointLength = 320;

/** Nothing is sealed yet. */
export function emptySealed(archive: string): Sealed {
  return { archive, number: 0, line: firstPrev, next: 1, checkpoints: new Map() };
}

/** Composes the segment after `before`, record by record in the order in which they are to be read. */
export function beginSegment(before: Sealed): {
  add(draft: Draft): void;
  finish(options: { now: number; signer: LineSigner }): ComposedSegment;
} {
  const texts: string[] = [];
  const heads = new Map<string, { seq: number; hash: string }>();
  let latest = 0;
  let length = 0;
  /** Many records are of one millisecond, and printing it costs as much as half a record's hash. */
  let printed = { time: Number.NaN, text: '' };
  return {
    add({ partition, seq, time, facts }) {
      const prev = (heads.get(partition) ?? before.checkpoints.get(partition))?.hash ?? firstPrev;
      if (printed.time !== time) printed = { time, text: new Date(time).toISOString() };
      const { text, hash } = chainRecord({ facts, partition, seq, time: printed.text, prev });
      texts.push(text);
      heads.set(partition, { seq, hash });
      latest = Math.max(latest, time);
      length += text.length;
    },
    finish({ now, signer }) {
      const time = new Date(now).toISOString();
      const signed = [...heads].map(([partition, { seq, hash }]) => {
        const statement = { partition, seq, hash, time };
        return { ...statement, kid: signer.kid, signature: signer.sign(checkpointText(statement)) };
      });
      const checkpoints = new Map(before.checkpoints);
      for (const checkpoint of signed) checkpoints.set(checkpoint.partition, checkpoint);
      const number = before.number + 1;
      const full = number % fullEvery === 1 || length >= fullShare * checkpointLength * checkpoints.size;
      const stated = full ? [...checkpoints.values()] : signed;
      const lines = [...texts, ...stated.map((checkpoint) => JSON.stringify({ checkpoint }))];
      const body = lines.length === 0 ? '' : `${lines.join('\n')}\n`;
      const records = texts.length;
      const { archive, next: first } = before;
      const seal: SegmentSeal = {
        ...{ v: 1, archive, number, first, records, latest, full, time },
        ...{ content: hexOf(body), prev: before.line },
      };
      const line = signLine('segment', seal, signer);
      const sealed = { archive, number, line: hexOf(line), next: first + records, checkpoints };
      return { text: `${body}${line}\n`, records, signed, sealed };
    },
  };
}

/** Orders drafts for reading: by time, and within a partition by sequence number, whatever its clock did. */
export function orderDrafts(drafts: readonly Draft[]): Draft[] {
  const bySeq = [...drafts].sort((one, other) => one.seq - other.seq);
  const reached = new Map<string, number>();
  const placed = bySeq.map((draft) => {
    const at = Math.max(draft.time, reached.get(draft.partition) ?? draft.time);
    reached.set(draft.partition, at);
    return { draft, at };
  });
  const order = (one: Draft, other: Draft): number =>
    one.partition === other.partition ? one.seq - other.seq : one.partition < other.partition ? -1 : 1;
  return placed.sort((one, other) => one.at - other.at || order(one.draft, other.draft)).map(({ draft }) => draft);
}

/** A segment taken apart. Nothing of it is believed yet: a damaged one still gives the lines that it has. */
export interface ParsedSegment {
  /** The records' exact texts. */
  readonly records: readonly string[];
  readonly checkpoints: readonly Checkpoint[];
  /** Undefined where the last line is no seal. */
  readonly seal: SegmentSeal | undefined;
  /** The last line's text, and SHA-256 over it. */
  readonly sealText: string;
  readonly line: string;
  /** SHA-256 over all text before the last line. */
  readonly content: string;
}

export function parseSegment(text: string): ParsedSegment {
  const whole = text.endsWith('\n') ? text.slice(0, -1) : text;
  const start = whole.lastIndexOf('\n') + 1;
  const last = whole.slice(start);
  const seal = sealOf(last);
  const lines = (seal ? whole.slice(0, Math.max(0, start - 1)) : whole).split('\n').filter((line) => line !== '');
  const isCheckpoint = (line: string): boolean => line.startsWith('{"checkpoint":');
  return {
    records: lines.filter((line) => !isCheckpoint(line) && !line.startsWith('{"segment":')),
    checkpoints: lines.filter(isCheckpoint).flatMap((line) => checkpointOf(line) ?? []),
    seal,
    sealText: last,
    line: hexOf(last),
    content: hexOf(whole.slice(0, start)),
  };
}

function sealOf(text: string): SegmentSeal | undefined {
  const members = membersOfLine('segment', text);
  if (!members) return undefined;
  const { v, archive, number, first, records, latest, full, time, content, prev } = members;
  const whole = [number, first, records, latest].every((value) => Number.isSafeInteger(value) && Number(value) >= 0);
  const named = [archive, time, content, prev].every((value) => typeof value === 'string');
  return v === 1 && whole && named && typeof full === 'boolean' ? (members as unknown as SegmentSeal) : undefined;
}

function checkpointOf(line: string): Checkpoint | undefined {
  const members = membersOfLine('checkpoint', line);
  if (!members) return undefined;
  const { partition, seq, hash, time, kid, signature } = members;
  const whole = Number.isSafeInteger(seq) && [partition, hash, time, kid, signature].every((value) => typeof value === 'string');
  return whole ? (members as unknown as Checkpoint) : undefined;
}

function hexOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
