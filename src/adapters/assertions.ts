import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Assertions } from '../ports/assertions.ts';
import type { Clock } from '../ports/clock.ts';

/** Signed for two minutes (the contract's bound), used for one: an upstream always gets at least a minute. Seconds. */
const lifetimeSeconds = 120;
const reuseSeconds = 60;
const cachedMax = 10_000;

interface Signer {
  /** JWK thumbprint. */
  readonly kid: string;
  /** EC P-256. */
  readonly privateKey: KeyObject;
}

/**
 * ES256 JWTs (RFC 7515, RFC 7519), cached for each key revision, scopes and upstream, since a signature costs more than the rest of the gate.
 * @param options.signer the current key @param options.issuer the gateway's public URL; both are read at each use, and a change of either
 * forgets every assertion signed before
 */
export function createAssertions(options: { signer: () => Signer; issuer: () => string; clock: Clock }): Assertions {
  const cache = new Map<string, { jwt: string | Promise<string>; readonly staleAt: number }>();
  let signed = { kid: '', issuer: '' };
  return {
    sign({ key, scopes = key.scopes, audience }) {
      const signer = options.signer();
      const issuer = options.issuer();
      if (signer.kid !== signed.kid || issuer !== signed.issuer) {
        cache.clear();
        signed = { kid: signer.kid, issuer };
      }
      const now = Math.floor(options.clock.now() / 1000);
      const scope = scopes.join(' ');
      const name = `${key.id} ${key.revision} ${audience} ${scope}`;
      const known = cache.get(name);
      if (known && now < known.staleAt && now > known.staleAt - reuseSeconds - 1) return known.jwt;
      const jwt = signOne(signer, { key, scope, audience, issuer, now });
      const entry: { jwt: string | Promise<string>; readonly staleAt: number } = { jwt, staleAt: now + reuseSeconds };
      if (cache.size >= cachedMax) cache.clear();
      cache.set(name, entry);
      jwt.then(
        (text) => {
          entry.jwt = text;
        },
        () => cache.delete(name),
      );
      return jwt;
    },
  };
}

function signOne(
  signer: Signer,
  about: Pick<Parameters<Assertions['sign']>[0], 'key' | 'audience'> & { scope: string; issuer: string; now: number },
): Promise<string> {
  const { key, scope, audience, issuer, now } = about;
  return new SignJWT({ org: key.orgId, agent: key.agentId, scope, env: key.environment, act: actorOf(key.parentIds) })
    .setProtectedHeader({ alg: 'ES256', kid: signer.kid, typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(key.id)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeSeconds)
    .sign(signer.privateKey);
}

interface Actor {
  readonly sub: string;
  readonly act?: Actor;
}

/** RFC 8693, section 4.1: the parent is the outermost actor, each further ancestor nested one deeper. @param ids from the parent up */
function actorOf([parent, ...further]: readonly string[]): Actor | undefined {
  if (parent === undefined) return undefined;
  const act = actorOf(further);
  return { sub: parent, ...(act && { act }) };
}
