import { createHash } from 'node:crypto';

/** Access tokens are JWTs with this type (RFC 9068, section 2.1), so that no other JWT signed with the same key passes for one. */
export const accessTokenType = 'at+jwt';

/** Longest life of an access token, in milliseconds. */
export const accessTokenMsMax = 300_000;

/** What an access token says. It speaks for a key, whose record decides everything else. */
export interface AccessTokenClaims {
  readonly id: string;
  readonly keyId: string;
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Which secret of the key it was given for, as `bindingOf` names it: a rotation that ends the secret ends the token with it. */
  readonly binding?: string;
  /** What the key's scopes are cut down to; absent = whatever the key holds. */
  readonly scopes?: readonly string[];
}

/** The longest scope list allowed, 4096 characters, makes some 5600 of base64url; the rest of a token stays below 1000. */
const charactersMax = 8_192;
export const scopeCharactersMax = 4_096;
const form = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$/;

/**
 * Reads a token as this gateway writes it, and in no other form; whether its signature is right, and whether it has ended, is not judged here.
 * The header names algorithm, type and key and nothing more: a token that brings its own key (`jwk`, `jku`, `x5u`) is none of ours
 * (RFC 8725, sections 3.1 and 3.10).
 * @param options.issuer the gateway's public URL, which is issuer and audience
 */
export function readAccessToken(text: string, { issuer }: { issuer: string }): { kid: string; claims: AccessTokenClaims } | undefined {
  if (text.length > charactersMax) return undefined;
  const [, head = '', body = ''] = form.exec(text) ?? [];
  const header = parse(head);
  if (!header || Object.keys(header).length !== 3) return undefined;
  const { alg, typ, kid } = header;
  if (alg !== 'ES256' || typ !== accessTokenType || typeof kid !== 'string') return undefined;
  const claims = claimsOf(parse(body), issuer);
  return claims && { kid, claims };
}

/** Names a secret of a key by its digest, without showing the digest. */
export function bindingOf(digest: string): string {
  return createHash('sha256').update(`keygate-access-token-v1 ${digest}`).digest('hex').slice(0, 16);
}

function claimsOf(payload: Record<string, unknown> | undefined, issuer: string): AccessTokenClaims | undefined {
  if (!payload || payload.iss !== issuer || payload.aud !== issuer) return undefined;
  const { sub, jti, iat, exp, scope, binding } = payload;
  if (typeof sub !== 'string' || !/^[0-9A-Za-z]{8}$/.test(sub)) return undefined;
  if (typeof jti !== 'string' || !/^[0-9A-Za-z-]{1,64}$/.test(jti)) return undefined;
  if (!isTime(iat) || !isTime(exp) || exp <= iat || (exp - iat) * 1000 > accessTokenMsMax) return undefined;
  if (binding !== undefined && (typeof binding !== 'string' || !/^[0-9a-f]{16}$/.test(binding))) return undefined;
  const bound = binding === undefined ? {} : { binding };
  const base = { id: jti, keyId: sub, issuedAt: iat * 1000, expiresAt: exp * 1000, ...bound };
  if (scope === undefined) return base;
  if (typeof scope !== 'string' || scope === '' || scope.length > scopeCharactersMax) return undefined;
  return { ...base, scopes: scope.split(' ') };
}

/** A NumericDate (RFC 7519, section 2) in whole seconds. A string, a fraction and 1e400, which reads as infinity, are none. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value * 1000) && Number.isSafeInteger(value) && value > 0;
}

function parse(part: string): Record<string, unknown> | undefined {
  if (part === '') return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
