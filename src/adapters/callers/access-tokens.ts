import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { compactVerify } from 'jose';
import { type AccessTokenClaims, readAccessToken } from '../../domain/access-token.ts';
import type { Clock } from '../../ports/clock.ts';
import { trim } from './trim.ts';

/** Whose access tokens are believed. Both are read at each use: a change forgets every token that was verified before it. */
export interface AccessTokenTrust {
  /** The gateway's public URL: issuer and audience. */
  readonly issuer: () => string;
  /** Public keys that may have signed. Only EC P-256 keys count. */
  readonly jwks: () => { readonly keys: readonly JsonWebKey[] };
  readonly clock: Clock;
}

/** How far the clocks of two replicas may differ, in milliseconds. */
const skewMsMax = 60_000;

export interface AccessTokens {
  /** What the token says, where this gateway signed it; whether it has ended is judged by whoever uses it. */
  verify(text: string): Promise<AccessTokenClaims | undefined>;
}

/**
 * Verifies each access token once. Good and bad ones are remembered by SHA-256, each within a bound of their own, so that a flood of
 * bad ones costs one signature check each and evicts no good one.
 */
export function createAccessTokens(trust: AccessTokenTrust, limits: { goodMax: number; badMax: number }): AccessTokens {
  const good = new Map<string, AccessTokenClaims>();
  const bad = new Set<string>();
  let issuer = '';
  let jwks: ReturnType<AccessTokenTrust['jwks']> | undefined;
  let keys = new Map<string, KeyObject>();

  const refresh = () => {
    if (trust.issuer() === issuer && trust.jwks() === jwks) return;
    issuer = trust.issuer();
    jwks = trust.jwks();
    keys = publicKeys(jwks.keys);
    good.clear();
    bad.clear();
  };

  return {
    async verify(text) {
      refresh();
      const token = readAccessToken(text, { issuer });
      const key = token && keys.get(token.kid);
      // The clock may catch up, so this is no reason to remember the token as a bad one.
      if (!key || token.claims.issuedAt > trust.clock.now() + skewMsMax) return undefined;
      const name = createHash('sha256').update(text).digest('base64');
      const known = good.get(name);
      if (known || bad.has(name)) return known;
      const trusted = jwks;
      const right = await isSigned(text, key);
      // The configuration may have changed while the signature was being checked: then nothing is remembered under the new one.
      if (jwks !== trusted) return right ? token.claims : undefined;
      if (right) {
        good.set(name, token.claims);
        trim(good, limits.goodMax);
        return token.claims;
      }
      bad.add(name);
      trim(bad, limits.badMax);
      return undefined;
    },
  };
}

async function isSigned(text: string, key: KeyObject): Promise<boolean> {
  try {
    await compactVerify(text, key, { algorithms: ['ES256'] });
    return true;
  } catch {
    return false;
  }
}

function publicKeys(jwks: readonly JsonWebKey[]): Map<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  for (const jwk of jwks) {
    const { kid, kty, crv, x, y } = jwk;
    if (typeof kid === 'string' && kty === 'EC' && crv === 'P-256') {
      keys.set(kid, createPublicKey({ key: { kty, crv, x, y } as JsonWebKey, format: 'jwk' }));
    }
  }
  return keys;
}
