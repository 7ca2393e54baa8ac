import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { findKey } from './list.ts';
import { NotFound } from './problems.ts';
import { readReason, type Spread, spreadSince } from './revoke.ts';

export interface Removed extends Spread {
  readonly id: string;
  readonly deleted: true;
}

/**
 * Deletes a key and its secrets for good: from now on it is a key that nobody minted. Keys that descend from it are dead with it. What the
 * journal says of it stays.
 * @throws NotFound, RequestProblems
 */
export async function remove(authority: Authority, id: string, options: { reason?: unknown; by: Actor }): Promise<Removed> {
  const reason = readReason(options.reason, 'deleted by an operator');
  const started = authority.clock.monotonic();
  await findKey(authority, id, options.by);
  const record = await authority.keyring.remove(id, { reason, at: authority.clock.now(), by: options.by });
  if (record === undefined) throw new NotFound('There is no key with this id.');
  return { id, deleted: true, ...(await spreadSince(authority, started)) };
}
