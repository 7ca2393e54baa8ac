/**
 * An id that sorts behind those of earlier milliseconds: a store that keeps entries in order then adds at its end, where random ids would change
 * a page of their own each.
 * @param now milliseconds since the epoch; in base 36 it keeps its eight digits until the year 2059
 * @param random what makes it unlike any other: a random UUID (RFC 9562, section 5.4)
 */
export function orderedId(now: number, random: string): string {
  return `${now.toString(36)}-${random}`;
}
