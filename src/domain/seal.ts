import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';

/** What a sealed text is for; a text sealed for one purpose opens for no other. */
export type SealPurpose = 'session' | 'event' | 'request' | 'totp' | 'cursor' | 'stream';

/**
 * Binds upstream ids to the key and upstream they were given to, so that any replica can open them and nobody else can use them (I9).
 * AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; purpose and binding are the additional data.
 */
export interface Seal {
  seal(options: { purpose: SealPurpose; bound: readonly string[]; plain: string }): string;
  /** Undefined where it was not sealed here, for this purpose and for this binding. */
  open(options: { purpose: SealPurpose; bound: readonly string[]; sealed: string }): string | undefined;
}

const nonceBytes = 12;
const tagBytes = 16;
const sealedCharsMax = 8192;

/** @param secrets newest first; the newest seals, all open. @param random cryptographically secure bytes */
export function createSeal(options: { secrets: readonly string[]; random: (bytes: number) => Uint8Array }): Seal {
  const keys = options.secrets.map((secret) => Buffer.from(hkdfSync('sha256', secret, '', 'keygate-seal-v1', 32)));
  const [newest] = keys;
  if (!newest) throw new Error('a seal needs at least one secret');
  return {
    seal({ purpose, bound, plain }) {
      const nonce = options.random(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', newest, nonce);
      cipher.setAAD(additional(purpose, bound));
      return Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64url');
    },
    open({ purpose, bound, sealed }) {
      if (sealed.length > sealedCharsMax || !/^[A-Za-z0-9_-]+$/.test(sealed)) return undefined;
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length < nonceBytes + tagBytes) return undefined;
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

function additional(purpose: SealPurpose, bound: readonly string[]): Buffer {
  return Buffer.from(JSON.stringify([purpose, ...bound]));
}
