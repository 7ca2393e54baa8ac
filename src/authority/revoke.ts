import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { findKey } from './list.ts';
import { lineSchema } from './mint-request.ts';
import { NotFound, RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

/** How far a revocation has come. */
export interface Spread {
  /** How long the durable commit took, in milliseconds. From then on every admit of every process on this store refuses (I3). */
  readonly elapsedMs: number;
  /** Replicas that know of it, and those that have not said so yet. On the embedded store the commit itself is the one acknowledgement. */
  readonly acknowledged: number;
  readonly pending: number;
}

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
  const reason = readReason(options.reason, 'revoked by an operator');
  const before = findKey(authority, id, options.by);
  const started = authority.clock.monotonic();
  const record = await authority.keyring.revoke(id, { reason, at: authority.clock.now(), by: options.by });
  if (record === undefined) throw new NotFound('There is no key with this id.');
  return { record: viewKey(record, authority.clock.now()), already: before.revokedAt !== undefined, ...spreadSince(authority, started) };
}

export function spreadSince({ clock }: Pick<Authority, 'clock'>, started: number): Spread {
  return { elapsedMs: Math.round((clock.monotonic() - started) * 1000) / 1000, acknowledged: 1, pending: 0 };
}

/** Why, for the journal. @throws RequestProblems for what is no one line */
export function readReason(reason: unknown, fallback: string): string {
  const read = lineSchema(200).safeParse(reason ?? fallback);
  if (read.success) return read.data;
  throw new RequestProblems(read.error.issues.map((issue) => ({ path: 'reason', message: issue.message })));
}
