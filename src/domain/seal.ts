import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/** What a sealed text is for; a text sealed for one purpose opens for no other. */
export type SealPurpose = 'session' | 'event' | 'request' | 'totp' | 'cursor' | 'stream' | 'task' | 'state';

/**
 * Binds upstream ids to the key and upstream they were given to, so that any replica can open them and nobody else can use them (I9).
 * AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; purpose and binding are the additional data. Where one text must always be sealed
 * alike the nonce is an HMAC of all three, so two texts share one no sooner than two random ones would.
 */
export interface Seal {
  seal(options: { purpose: SealPurpose; bound: readonly string[]; plain: string }): string;
  /** Undefined where it was not sealed here, for this purpose and for this binding. */
  open(options: { purpose: SealPurpose; bound: readonly string[]; sealed: string }): string | undefined;
}

const nonceBytes = 12;
const tagBytes = 16;
const sealedCharsMax = 8192;
/** A state holds what the upstream chose to put there, and travels in bodies alone. */
const stateCharsMax = 65_536;

/** Clients compare a task's id with those they know, so that a task has one and the same wherever it is named. */
const steady: ReadonlySet<SealPurpose> = new Set<SealPurpose>(['task']);

/** @param secrets newest first; the newest seals, all open. @param random cryptographically secure bytes */
export function createSeal(options: { secrets: readonly string[]; random: (bytes: number) => Uint8Array }): Seal {
  const keys = options.secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', 'keygate-seal-v1', 32)));
  const [newest] = keys;
  const [secret] = options.secrets;
  if (!newest || secret === undefined) throw new Error('a seal needs at least one secret');
  const nonceKey = createSecretKey(Buffer.from(hkdfSync('sha256', secret, '', 'keygate-seal-nonce-v1', 32)));
  return {
    seal({ purpose, bound, plain }) {
      const aad = additional(purpose, bound);
      const nonce = steady.has(purpose) ? steadyNonce(nonceKey, aad, plain) : options.random(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', newest, nonce);
      cipher.setAAD(aad);
      return Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },
    open({ purpose, bound, sealed }) {
      if (sealed.length > (purpose === 'state' ? stateCharsMax : sealedCharsMax) || !/^[A-Za-z0-9_-]+$/.test(sealed)) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      // One text, one spelling: what may be used once is remembered by its text, and base64 has bits to spare in its last character.
      if (bytes.length < nonceBytes + tagBytes || bytes.toString('base64url') !== sealed) return undefined;
      for (const key of keys) {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
        decipher.setAAD(additional(purpose, bound));
        decipher.setAuthTag(bytes.subarray(-tagBytes));
        try {
          return decipher.update(bytes.subarray(nonceBytes, -tagBytes), undefined, 'utf8') + decipher.final('utf8');
        } catch {
          // Not this key, or forged: the next key may open it.
        }
      }
      return undefined;
    },
  };
}

function steadyNonce(key: KeyObject, aad: Buffer, plain: string): Buffer {
  // The additional data is a JSON array, so where it ends can be told.
  return createHmac('sha256', key).update(aad).update(plain).digest().subarray(0, nonceBytes);
}

function additional(purpose: SealPurpose, bound: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([purpose, ...bound]));
}
