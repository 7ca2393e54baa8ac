import { z } from 'zod';
import type { KeyRecord } from '../domain/key.ts';
import type { Actor, KeyFilter } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { keyFilterMembers } from './key-filter.ts';
import { confinedFilter, everyKey } from './list.ts';
import { parseRequest, RequestProblems } from './problems.ts';
import { readReason, type Spread, spreadSince } from './revoke.ts';

const bulkFilterSchema = z.strictObject(keyFilterMembers);

export interface BulkRevoked extends Spread {
  /** Ids of the keys that this act revoked. */
  readonly revoked: readonly string[];
  /** How many that matched were revoked before. */
  readonly already: number;
  /** The key that asked, where it matched: it is left, so that it can see the answer and go on. Null otherwise. */
  readonly kept: string | null;
}

/** Commits under way at once: the store puts them into few transactions. */
const batchKeys = 64;

/**
 * Revokes every key that all members of the filter match.
 * @param filter `orgId`, `agentId`, `accountId`, `parentId`, `environment`, `kind`; at least one
 * @throws RequestProblems for an empty filter: that would be every key there is
 */
export async function bulkRevoke(authority: Authority, filter: unknown, options: { reason?: unknown; by: Actor }): Promise<BulkRevoked> {
  const { by } = options;
  const reason = readReason(options.reason, 'revoked by an operator, with others');
  const wanted = Object.fromEntries(
    Object.entries(parseRequest(bulkFilterSchema, filter)).filter(([, value]) => value !== undefined),
  ) as KeyFilter;
  if (Object.keys(wanted).length === 0)
    throw new RequestProblems([{ path: '', message: 'name at least one of orgId, agentId, accountId, parentId, environment and kind' }]);

  const started = authority.clock.monotonic();
  const confined = confinedFilter(wanted, by);
  const matched: KeyRecord[] = [];
  if (confined !== undefined) for await (const key of everyKey(authority, confined)) matched.push(key);
  const live = matched.filter((key) => key.revokedAt === undefined && key.id !== by.keyId);
  for (let at = 0; at < live.length; at += batchKeys) {
    const batch = live.slice(at, at + batchKeys);
    await Promise.all(batch.map(({ id }) => authority.keyring.revoke(id, { reason, at: authority.clock.now(), by })));
  }
  return {
    revoked: live.map(({ id }) => id),
    already: matched.filter((key) => key.revokedAt !== undefined).length,
    kept: matched.find((key) => key.id === by.keyId)?.id ?? null,
    ...(await spreadSince(authority, started)),
  };
}
