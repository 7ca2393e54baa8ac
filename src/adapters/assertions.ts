import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { KeyRecord } from '../domain/key.ts';
import type { Assertions } from '../ports/assertions.ts';
import type { Clock } from '../ports/clock.ts';

/** Signed for two minutes (the contract's bound), used for one: an upstream always gets at least a minute. Seconds. */
const lifetimeSeconds = 120;
const reuseSeconds = 60;
const cachedMax = 10_000;

/**
 * ES256 JWTs (RFC 7515, RFC 7519), cached for each key revision and upstream, since a signature costs more than the rest of the gate.
 * @param key EC P-256 private key @param issuer the gateway's public URL, read at each signing
 */
export function createAssertions(options: { kid: string; key: KeyObject; issuer: () => string; clock: Clock }): Assertions {
  const cache = new Map<string, { jwt: Promise<string>; staleAt: number }>();
  return {
    sign({ key, audience }) {
      const now = Math.floor(options.clock.now() / 1000);
      const name = `${key.id} ${key.revision} ${audience}`;
      const known = cache.get(name);
      if (known && now < known.staleAt && now > known.staleAt - reuseSeconds - 1) return known.jwt;
      const jwt = signOne(options, { key, audience, now });
      if (cache.size >= cachedMax) cache.clear();
      cache.set(name, { jwt, staleAt: now + reuseSeconds });
      jwt.catch(() => cache.delete(name));
      return jwt;
    },
  };
}

function signOne(
  options: { kid: string; key: KeyObject; issuer: () => string },
  { key, audience, now }: { key: KeyRecord; audience: string; now: number },
): Promise<string> {
  const claims = {
    org: key.orgId,
    agent: key.agentId,
    scope: key.scopes.join(' '),
    env: key.environment,
    // RFC 8693, section 4.1: who acts, nested from the nearest ancestor outward.
    ...(key.parentIds.length > 0
      ? { act: key.parentIds.reduceRight<object>((act, sub) => ({ sub, ...('sub' in act ? { act } : {}) }), {}) }
      : {}),
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: options.kid, typ: 'JWT' })
    .setIssuer(options.issuer())
    .setAudience(audience)
    .setSubject(key.id)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeSeconds)
    .sign(options.key);
}
