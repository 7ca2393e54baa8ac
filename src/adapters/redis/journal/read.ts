import type { JournalLine } from '../../../ports/journal.ts';
import type { Segments } from './segments.ts';

/** Segments that can be read: from the oldest that is not pruned to the newest that Redis noted. */
export interface Span {
  readonly oldest: number;
  readonly newest: number;
  /** Position of the first record that is not pruned. */
  readonly first: number;
}

/**
 * Records after a position, in the order of the journal. A segment that is missing or damaged does not stop the reading: what there is of it is
 * read, so that verifying finds what is wrong with it.
 */
export async function readSegments(
  segments: Segments,
  span: Span,
  { after, limit }: { after: number; limit: number },
): Promise<JournalLine[]> {
  const lines: JournalLine[] = [];
  if (span.newest < span.oldest) return lines;
  const from = await segmentAt(segments, span, after + 1);
  let next = await startOf(segments, span, from);
  let reached = after;
  for (let number = from; number <= span.newest && lines.length < limit; number += 1) {
    const segment = await segments.get(number);
    if (!segment) continue;
    const first = (await segments.firstOf(number)) ?? next;
    // A damaged segment may claim positions of others, and positions never go back.
    const end = (number < span.newest ? await segments.firstOf(number + 1) : undefined) ?? Number.POSITIVE_INFINITY;
    const skip = Math.max(0, reached + 1 - first);
    const some = segment.records.slice(skip, skip + Math.max(0, Math.min(limit - lines.length, end - first - skip)));
    for (const [at, text] of some.entries()) lines.push({ position: first + skip + at, text });
    reached = lines.at(-1)?.position ?? reached;
    next = first + segment.records.length;
  }
  return lines;
}

/** The last segment that begins at a position or before it; the oldest where none does. */
async function segmentAt(segments: Segments, span: Span, position: number): Promise<number> {
  let low = span.oldest;
  let high = span.newest;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((await startOf(segments, span, middle)) <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Where a segment begins; one that does not say so begins where the one before it ends. */
async function startOf(segments: Segments, { oldest, first }: Span, number: number): Promise<number> {
  let length = 0;
  for (let at = number; at >= oldest; at -= 1) {
    const stated = await segments.firstOf(at);
    if (at < number) length += (await segments.get(at))?.records.length ?? 0;
    if (stated !== undefined) return stated + length;
  }
  return first + length;
}
