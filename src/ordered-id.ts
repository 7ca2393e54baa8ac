import { randomUUID } from 'node:crypto';

/**
 * A new id that sorts behind those of earlier milliseconds: a store that keeps entries in order then adds at its end, where random ids would change
 * a page of their own each. The rest is as random as a UUID's (RFC 9562, section 5.4).
 * @param now milliseconds since the epoch; in base 36 it keeps its eight digits until the year 2059
 */
export function orderedId(now: number): string {
  return `${now.toString(36)}-${randomUUID()}`;
}
