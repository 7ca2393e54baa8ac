import type { Span } from './message.ts';

/**
 * A copy of the bytes with each span replaced by its text (UTF-8); every other byte stays. The edits may come in any
 * order. Throws RangeError where spans overlap, are reversed or lie outside of the bytes: that is a fault of the caller.
 */
export function splice(bytes: Buffer, edits: readonly { span: Span; text: string | Buffer }[]): Buffer {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { span, text } of edits.toSorted((one, other) => one.span.start - other.span.start || one.span.end - other.span.end)) {
    // Written so that a NaN offset fails as well.
    if (!(span.start >= at && span.end >= span.start && span.end <= bytes.length)) {
      throw new RangeError(`cannot splice ${span.start}..${span.end} behind ${at} in ${bytes.length} bytes`);
    }
    pieces.push(bytes.subarray(at, span.start), typeof text === 'string' ? Buffer.from(text) : text);
    at = span.end;
  }
  pieces.push(bytes.subarray(at));
  return Buffer.concat(pieces);
}
