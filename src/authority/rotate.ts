import { Denial } from '../domain/denial.ts';
import type { KeyRecord } from '../domain/key.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { changeKey, requireAlive } from './change-key.ts';
import { composeSecret } from './compose-record.ts';
import { isLimited } from './confine.ts';
import { ancestorsOf, wideningsOf } from './descent.ts';
import { formatLifetime, parseLifetime } from './duration.ts';
import { findKey } from './list.ts';
import { RequestProblems } from './problems.ts';
import { type KeyView, viewKey } from './view.ts';

export interface Rotated {
  /** The new secret's text, shown once. */
  readonly key: string;
  /** `previousUntil` says how long the old secret works. */
  readonly record: KeyView;
}

const overlapMsMax = 86_400_000;

/**
 * Gives a key a new secret. Record, id, budgets, counters and journal identity stay; only what opens it is new. The secret before
 * works until the overlap ends, and any older one ends now, so that there are never more than two.
 * @param options.overlap `now` (the default), or a duration of at most 24h such as 15m, 1h, 6h or 24h
 * @param options.holder an agent's or bot's key that asks on its own authority: it gets the secret of no key that is wider than it
 * @throws NotFound, Conflict for a dead key, RequestProblems, Denial INSUFFICIENT_SCOPE
 */
export async function rotate(
  authority: Authority,
  id: string,
  options: { overlap?: unknown; holder?: KeyRecord },
  by: Actor,
): Promise<Rotated> {
  const overlapMs = readOverlap(options.overlap);
  const { environment } = await findKey(authority, id, by);
  const secret = composeSecret(authority, { environment, id });
  const record = await changeKey(authority, id, by, async (key) => {
    requireAlive(authority, key, 'rotated');
    if (options.holder !== undefined) await requireWithin(authority, key, options.holder);
    const until = authority.clock.now() + overlapMs;
    const before = key.digests.find((digest) => digest.until === undefined);
    const digests = [secret.digest, ...(before === undefined || overlapMs === 0 ? [] : [{ ...before, until }])];
    const rotated: KeyRecord = { ...key, prefix: secret.prefix, last4: secret.last4, digests };
    return { record: rotated, fact: { kind: 'key.rotated', overlap: overlapMs === 0 ? 'now' : formatLifetime(overlapMs) } };
  });
  return { key: secret.key, record: viewKey(record, authority.clock.now()) };
}

/** The answer of the rotate operation as one object: `key` stands here and nowhere else. */
export function rotateAnswer({ key, record }: Rotated): Record<string, unknown> {
  const { id, ...rest } = record;
  return { id, key, ...rest };
}

/** A new secret is as good as a new key. Its end stands since it was minted, and is nothing that the holder chooses. */
async function requireWithin(authority: Authority, key: KeyRecord, holder: KeyRecord): Promise<void> {
  if (key.id === holder.id || key.parentIds.includes(holder.id)) return;
  const above = [holder, ...(await ancestorsOf(authority, holder))];
  const wider = wideningsOf(authority, key, above).filter(({ path }) => path !== 'expiresAt');
  if (wider.length === 0 && !isLimited(holder)) return;
  throw new Denial('INSUFFICIENT_SCOPE', {
    detail: 'That key may do more than the key that asks, which therefore cannot have its secret.',
  });
}

function readOverlap(overlap: unknown): number {
  if (overlap === undefined || overlap === 'now') return 0;
  const ms = typeof overlap === 'string' ? parseLifetime(overlap) : undefined;
  if (ms !== undefined && ms <= overlapMsMax) return ms;
  throw new RequestProblems([{ path: 'overlap', message: 'must be now, or at most 24h such as 15m, 1h, 6h or 24h' }]);
}
