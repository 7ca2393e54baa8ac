import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { lineSchema } from './mint-request.ts';
import { NotFound, RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

export interface Revoked {
  readonly record: KeyView;
  /** True where the key had been revoked before; the first revocation stands. */
  readonly already: boolean;
  /** How long the durable commit took. From then on every admit of every process on this store refuses the key (I3). */
  readonly elapsedMs: number;
}

/**
 * Revokes a key, for good.
 * @param options.reason one line, at most 200 characters, for the journal
 * @throws NotFound, RequestProblems
 */
export async function revoke(authority: Authority, id: string, options: { reason?: string | undefined; by: Actor }): Promise<Revoked> {
  const reason = lineSchema(200).safeParse(options.reason ?? 'revoked by an operator');
  if (!reason.success) throw new RequestProblems(reason.error.issues.map((issue) => ({ path: 'reason', message: issue.message })));

  const before = authority.keyring.get(id);
  const started = authority.clock.monotonic();
  const record = await authority.keyring.revoke(id, { reason: reason.data, at: authority.clock.now(), by: options.by });
  if (record === undefined) throw new NotFound('There is no key with this id.');
  const elapsedMs = Math.round((authority.clock.monotonic() - started) * 1000) / 1000;
  return { record: viewKey(record, authority.clock.now()), already: before?.revokedAt !== undefined, elapsedMs };
}
