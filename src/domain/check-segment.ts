import type { KeyObject } from 'node:crypto';
import type { ParsedSegment } from './segment.ts';
import { lineProblem } from './signed-line.ts';

/** What a segment must follow; members that are absent are not judged. */
export interface SegmentPlace {
  readonly number: number;
  readonly archive?: string | undefined;
  /** SHA-256 over the last line of the segment before. */
  readonly prev?: string | undefined;
  /** Position of its first record. */
  readonly first?: number | undefined;
}

/** Why a segment is not the one that was sealed in this place, or undefined where it is. Records are verified apart. */
export function segmentProblem(
  segment: ParsedSegment,
  { publicKeys, place }: { publicKeys: ReadonlyMap<string, KeyObject>; place: SegmentPlace },
): string | undefined {
  const { seal } = segment;
  if (!seal) return 'its last line is not a seal: it was cut or changed';
  const problem = lineProblem('segment', segment.sealText, publicKeys);
  if (problem) return problem;
  if (place.archive !== undefined && seal.archive !== place.archive) return `it belongs to another archive (${seal.archive})`;
  if (seal.number !== place.number) return `it is segment ${seal.number}`;
  if (place.prev !== undefined && seal.prev !== place.prev)
    return `it does not follow segment ${place.number - 1}: one of the two was replaced`;
  if (place.first !== undefined && seal.first !== place.first) return `its first record is ${seal.first}, not ${place.first}`;
  if (seal.content !== segment.content) return 'its text is not the one that was sealed';
  return seal.records === segment.records.length ? undefined : `it has ${segment.records.length} records, not ${seal.records}`;
}
