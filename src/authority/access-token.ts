import { SignJWT } from 'jose';
import { accessTokenMsMax, accessTokenType, bindingOf, scopeCharactersMax } from '../domain/access-token.ts';
import { Denial } from '../domain/denial.ts';
import { lineDeath } from '../domain/line-death.ts';
import { compileScopes, isWithin, type ScopeOrder } from '../domain/scope.ts';
import type { Caller } from '../ports/callers.ts';
import type { Authority } from './authority.ts';
import { parseLifetime } from './duration.ts';
import { type RequestProblem, RequestProblems } from './problems.ts';
import type { Signing } from './signing.ts';
import { timeText } from './view.ts';

/** What issuing needs of the authority, and with what it signs: both are read at each use. */
export interface TokenIssuer extends Pick<Authority, 'ledger' | 'random' | 'scopes'> {
  readonly signing: () => Pick<Signing, 'es256'>;
  /** The gateway's public URL: issuer and audience. */
  readonly issuer: () => string;
}

/** A new access token. `accessToken` is the only copy of its text. */
export interface IssuedToken {
  readonly accessToken: string;
  /** ISO 8601, UTC. */
  readonly expiresAt: string;
  readonly tokenType: 'Bearer';
  /** The scopes it has now, separated by spaces (RFC 6749, section 3.3). */
  readonly scope: string;
}

/**
 * Turns a key into a JWT (ES256, RFC 9068) that speaks for it for at most five minutes and never longer than the key and its ancestors live.
 * The key's record goes on deciding: what revokes, narrows or charges the key does so to the token. Journalled before it is given away.
 * @param request.ttl such as `90s` or `5m`, the default @param request.scopes narrower than the key's; what the key holds where absent
 * @throws RequestProblems, Denial where the caller shows an access token or its key is dead
 */
export async function issueAccessToken(
  issuer: TokenIssuer,
  request: { caller: Caller; ttl?: string | undefined; scopes?: readonly string[] | undefined },
  now: number,
): Promise<IssuedToken> {
  const { caller, scopes } = request;
  refuseCaller(caller, now);
  const ttl = lifetimeOf(request.ttl);
  const problems = [...(typeof ttl === 'number' ? [] : [ttl]), ...scopeProblems(caller, scopes, issuer.scopes)];
  if (typeof ttl !== 'number' || problems.length > 0) throw new RequestProblems(problems);

  const { key, ancestors } = caller;
  const iat = Math.floor(now / 1000);
  const ends = [key, ...ancestors].flatMap(({ expiresAt }) => (expiresAt === undefined ? [] : [Math.floor(expiresAt / 1000)]));
  const exp = Math.min(iat + Math.floor(ttl / 1000), ...ends);
  // A key in its last second: a token must not outlive it, and one that ends as it begins is none.
  if (exp <= iat) throw new Denial('TOKEN_EXPIRED');
  const id = Buffer.from(issuer.random(16)).toString('hex');
  const scope = scopes?.join(' ');
  const accessToken = await sign(issuer, { id, keyId: key.id, iat, exp, scope, digest: caller.digest });
  const expiresAt = timeText(exp * 1000);
  const { orgId: org, agentId: agent, accountId: account, environment, onBehalfOf, parentIds } = key;
  await issuer.ledger.record({
    kind: 'token.issued',
    ...{ keyId: key.id, parentIds: parentIds.length > 0 ? parentIds : undefined, org, agent, account, environment, onBehalfOf },
    ...{ tokenId: id, expiresAt, scopes },
  });
  return { accessToken, expiresAt, tokenType: 'Bearer', scope: scope ?? key.scopes.join(' ') };
}

function refuseCaller({ key, ancestors, accessToken }: Caller, now: number): void {
  if (accessToken) {
    // Else one token would give the next for ever, and a leaked one would never end.
    throw new Denial('WRONG_KEY_KIND', { detail: 'An access token gives no other access token. Send the key itself.' });
  }
  const reason = lineDeath([key, ...ancestors], now);
  if (reason) throw new Denial(reason, { facts: { keyId: key.id } });
}

/** Milliseconds, or what is wrong with the text. */
function lifetimeOf(text: string | undefined): number | RequestProblem {
  const ms = text === undefined ? accessTokenMsMax : parseLifetime(text);
  return ms !== undefined && ms <= accessTokenMsMax ? ms : { path: 'ttl', message: 'must be such as 90s or 5m, at most 5m' };
}

function scopeProblems({ key, ancestors }: Caller, scopes: readonly string[] | undefined, order: ScopeOrder): RequestProblem[] {
  if (!scopes) return [];
  if (scopes.length === 0) return [{ path: 'scopes', message: 'must not be empty; leave it out for every scope of the key' }];
  if (scopes.join(' ').length > scopeCharactersMax)
    return [{ path: 'scopes', message: `must be at most ${scopeCharactersMax} characters` }];
  const outside = new Set([key, ...ancestors].flatMap((each) => isWithin(scopes, compileScopes(each.scopes, order))));
  return scopes.flatMap((scope, at) =>
    outside.has(scope) ? [{ path: `scopes[${at}]`, message: 'is not within the scopes of the key' }] : [],
  );
}

function sign(
  { signing, issuer }: TokenIssuer,
  token: { id: string; keyId: string; iat: number; exp: number; scope: string | undefined; digest: string | undefined },
): Promise<string> {
  const { scope, digest } = token;
  const { kid, privateKey } = signing().es256;
  return new SignJWT({ ...(scope === undefined ? {} : { scope }), ...(digest === undefined ? {} : { binding: bindingOf(digest) }) })
    .setProtectedHeader({ alg: 'ES256', typ: accessTokenType, kid })
    .setIssuer(issuer())
    .setAudience(issuer())
    .setSubject(token.keyId)
    .setJti(token.id)
    .setIssuedAt(token.iat)
    .setExpirationTime(token.exp)
    .sign(privateKey);
}
