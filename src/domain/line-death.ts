import { deadReason, holdsSecret, type KeyRecord } from './key.ts';

type Death = NonNullable<ReturnType<typeof deadReason>>;

/** Why nothing of a key may go on; undefined while it may. A key is as dead as the deadest of its ancestors (I7). @param line the key, then its ancestors */
export function lineDeath(line: readonly KeyRecord[], now: number): Death | undefined {
  for (const each of line) {
    const reason = deadReason(each, now);
    if (reason) return reason;
  }
  return undefined;
}

/** What a stream was opened with: the digest of a secret, and the end of an access token. */
export interface OpenedWith {
  readonly digest?: string | undefined;
  readonly expiresAt?: number | undefined;
}

/** The key lives on, but what this was opened with may have ended: a secret by rotation, an access token by its age. */
export function openingDeath({ digest, expiresAt }: OpenedWith, key: KeyRecord, now: number): Death | undefined {
  if (digest !== undefined && !holdsSecret(key, { digest, now })) return 'TOKEN_REVOKED';
  return expiresAt !== undefined && now >= expiresAt ? 'TOKEN_EXPIRED' : undefined;
}
