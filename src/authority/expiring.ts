import { setImmediate as yieldToCalls } from 'node:timers/promises';
import { deadReason, type KeyRecord } from '../domain/key.ts';
import type { Authority } from './authority.ts';
import { formatLifetime, parseLifetime } from './duration.ts';
import { everyKey } from './list.ts';
import { timeText } from './view.ts';

/**
 * Writes `key.expiring` into the journal for every live key whose end is near: once for each key and threshold, however often and
 * at however many replicas this runs. A key that was made with less life than the threshold is not announced under it.
 * @param options.within thresholds such as `7d`; the narrowest that holds is announced
 * @returns how many were announced now
 */
export async function announceExpiring(
  authority: Pick<Authority, 'clock' | 'keyring' | 'ledger'>,
  options: { within?: readonly string[] } = {},
): Promise<number> {
  const thresholds = (options.within ?? ['7d', '1d']).map(thresholdOf).sort((one, other) => one - other);
  const now = authority.clock.now();
  let announced = 0;
  let seen = 0;
  for await (const key of everyKey(authority, {})) {
    seen += 1;
    // A long list must not hold up the calls of this process.
    if (seen % 500 === 0) await yieldToCalls();
    const { expiresAt } = key;
    if (expiresAt === undefined || deadReason(key, now) !== undefined) continue;
    const threshold = thresholds.find((ms) => expiresAt - now <= ms && expiresAt - key.createdAt > ms);
    if (threshold !== undefined && (await announce(authority, { key, expiresAt, within: formatLifetime(threshold) }))) announced += 1;
  }
  return announced;
}

async function announce(
  { ledger }: Pick<Authority, 'ledger'>,
  { key, expiresAt, within }: { key: KeyRecord; expiresAt: number; within: string },
): Promise<boolean> {
  // The end is part of the name: a key whose life was prolonged is announced anew.
  if (!(await ledger.useOnce({ id: `expiring:${key.id}:${within}:${expiresAt}`, until: expiresAt }))) return false;
  const { id, parentIds, orgId, agentId, accountId, environment, name, owner } = key;
  const facts = { keyId: id, parentIds, org: orgId, agent: agentId, account: accountId, environment };
  await ledger.record({ kind: 'key.expiring', ...facts, via: 'system', name, owner, within, expiresAt: timeText(expiresAt) });
  return true;
}

function thresholdOf(text: string): number {
  const ms = parseLifetime(text);
  if (ms === undefined) throw new Error(`"${text}" is no duration`);
  return ms;
}
