import { deadReason, type KeyRecord } from '../domain/key.ts';
import type { Actor, KeyFact } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { findKey } from './list.ts';
import { Conflict } from './problems.ts';

/** What a change makes of a record; the revision is counted here. */
export interface Change {
  readonly record: KeyRecord;
  readonly fact: KeyFact;
}

const attemptsMax = 8;

/**
 * Changes a key, deciding again where somebody else was faster.
 * @param decide given the newest record; undefined leaves it as it is. May run several times.
 * @throws NotFound, Conflict where the record never stands still, and what `decide` throws
 */
export async function changeKey(
  authority: Authority,
  id: string,
  by: Actor,
  decide: (key: KeyRecord) => Change | undefined | Promise<Change | undefined>,
): Promise<KeyRecord> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    const key = await findKey(authority, id, by);
    const change = await decide(key);
    if (change === undefined) return key;
    const record = { ...change.record, revision: key.revision + 1 };
    if (await authority.keyring.replace({ record, expected: key.revision, fact: change.fact, by })) return record;
  }
  throw new Conflict('The key keeps changing; try again.');
}

/** @throws Conflict where the key is dead, since nothing brings a key back to life */
export function requireAlive(authority: Pick<Authority, 'clock'>, key: KeyRecord, act: string): void {
  const dead = deadReason(key, authority.clock.now());
  if (dead === undefined) return;
  throw new Conflict(`The key ${dead === 'TOKEN_REVOKED' ? 'was revoked' : 'has expired'} and cannot be ${act}; mint another.`);
}
