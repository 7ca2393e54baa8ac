import { type KeyRecord, rootOf } from '../../domain/key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Connection, Script } from './connection.ts';
import type { Feed } from './feed.ts';
import type { KeyClaims } from './key-claims.ts';
import type { KeyRecords } from './key-records.ts';
import { partitionOf, prefixOf } from './layout.ts';

/** What every change of a key works with. */
export interface KeyStore {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly feed: Feed;
  readonly records: KeyRecords;
  readonly claims: KeyClaims;
  readonly scripts: { readonly write: Script; readonly remove: Script };
  /** A name for one write, never used twice by any process: a script that is sent twice knows itself by it. */
  readonly nextName: () => string;
}

/** How often a change is decided again because the key, or one above it, was changed in the meantime. */
export const triesMax = 200;

export type WriteAnswer = 'ok' | 'late' | 'exists' | 'missing' | 'stale' | 'line';

/**
 * Commits a record with its journal entry where the stored revisions are still those that the change was decided on.
 * @param options.expected  the revision that is replaced; undefined where the key is new
 * @param options.line  other keys of the same root, whose records the change was checked against
 * @param options.entry  of the journal
 * @param options.deadline  ms of the server's clock; from then on the script refuses
 */
export async function writeKey(
  { connection, scripts }: KeyStore,
  options: {
    record: KeyRecord;
    expected: number | undefined;
    line: readonly KeyRecord[];
    name: string;
    deadline: number | undefined;
    entry: readonly [time: string, facts: string];
  },
): Promise<WriteAnswer> {
  const { record, expected, line, name, deadline, entry } = options;
  const { id, revision, revokedAt, expiresAt } = record;
  const stored = [revision, revokedAt, expiresAt].map(orEmpty);
  const pairs = line.flatMap((each) => [each.id, String(each.revision)]);
  const args = [id, orEmpty(expected), name, orEmpty(deadline), ...stored, JSON.stringify(record), ...entry, ...pairs];
  return (await connection.run(scripts.write, [prefixOf(partitionOf(rootOf(record)))], args)) as WriteAnswer;
}

function orEmpty(value: number | undefined): string {
  return value === undefined ? '' : String(value);
}

/**
 * Runs the commit of a change between its two announcements. What `commit` answers is certain; where it rejects, nobody knows whether the key
 * changed, and the second announcement stays out: every process reads the key anew until the commit can no longer happen.
 */
export async function announced<T>({ feed }: KeyStore, id: string, commit: (deadline: number) => Promise<T>): Promise<T> {
  const begun = await feed.begin(id);
  const answer = await commit(begun.deadline);
  await feed.end(begun);
  return answer;
}

/** What is thrown where the server ran the script only after its deadline. */
export function tooLate(id: string): Error {
  return new Error(`The change of key ${id} reached the store too late and was not made. Try again.`);
}

export function tooContended(id: string): Error {
  return new Error(`Key ${id} is being changed too often to be changed now. Try again.`);
}
