import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { findKey } from './list.ts';
import { lineSchema } from './mint-request.ts';
import { NotFound, RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

/** How far a revocation has come. The commit itself is durable: from then on every admit of every replica refuses the key (I3). */
export interface Spread {
  /** From the request until every live replica had acted on it (cut the key's streams), or the bound had passed, in milliseconds. */
  readonly elapsedMs: number;
  /** How many replicas have acted on it, and how many have not said so yet. */
  readonly acknowledged: number;
  readonly pending: number;
  /** Names of those that have not; `unknown` where the store could not be asked after the commit. */
  readonly pendingReplicas: readonly string[];
}

/** How long replicas are waited for, in milliseconds. */
const acknowledgeMsMax = 2_000;

export interface Revoked extends Spread {
  readonly record: KeyView;
  /** True where the key had been revoked before; the first revocation stands. */
  readonly already: boolean;
}

/**
 * Revokes a key, for good.
 * @param options.reason one line, at most 200 characters, for the journal
 * @throws NotFound, RequestProblems
 */
export async function revoke(authority: Authority, id: string, options: { reason?: unknown; by: Actor }): Promise<Revoked> {
  const started = authority.clock.monotonic();
  const ended = await endKey(authority, id, options);
  return { ...ended, ...(await spreadSince(authority, started)) };
}

/** The commit alone, for acts that wait for nobody. @throws NotFound, RequestProblems */
export async function endKey(
  authority: Authority,
  id: string,
  options: { reason?: unknown; by: Actor },
): Promise<Pick<Revoked, 'record' | 'already'>> {
  const reason = readReason(options.reason, 'revoked by an operator');
  const before = await findKey(authority, id, options.by);
  const record = await authority.keyring.revoke(id, { reason, at: authority.clock.now(), by: options.by });
  if (record === undefined) throw new NotFound('There is no key with this id.');
  return { record: viewKey(record, authority.clock.now()), already: before.revokedAt !== undefined };
}

/** Waits for the replicas. @param started when the act began, on the monotonic clock */
export async function spreadSince({ clock, keyring }: Pick<Authority, 'clock' | 'keyring'>, started: number): Promise<Spread> {
  // The keys are dead whatever this says, so a store that fails only now must not make the act look as if it had failed.
  const { acknowledged, pending } = await keyring.acknowledged(acknowledgeMsMax).catch(() => ({ acknowledged: [], pending: ['unknown'] }));
  const elapsedMs = Math.round((clock.monotonic() - started) * 1000) / 1000;
  return { elapsedMs, acknowledged: acknowledged.length, pending: pending.length, pendingReplicas: pending };
}

/** Why, for the journal. @throws RequestProblems for what is no one line */
export function readReason(reason: unknown, fallback: string): string {
  const read = lineSchema(200).safeParse(reason ?? fallback);
  if (read.success) return read.data;
  throw new RequestProblems(read.error.issues.map((issue) => ({ path: 'reason', message: issue.message })));
}
