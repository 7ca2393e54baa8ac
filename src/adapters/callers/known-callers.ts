import { type AccessTokenClaims, bindingOf } from '../../domain/access-token.ts';
import { digestKey, readKey } from '../../domain/credential.ts';
import { holdsSecret, type KeyRecord } from '../../domain/key.ts';
import { compileScopes, covers, type ScopeOrder, type ScopeSet } from '../../domain/scope.ts';
import type { Caller, Callers } from '../../ports/callers.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { type AccessTokenTrust, createAccessTokens } from './access-tokens.ts';
import { addressTest, toolTest } from './line-tests.ts';
import { trim } from './trim.ts';

/** Entries kept; beyond, the oldest go first. Unknown keys have a bound of their own, so that a flood of them evicts nobody. */
export interface CallerCacheLimits {
  readonly callersMax: number;
  readonly unknownMax: number;
}

/**
 * Callers by key and by access token, cached under full digests (truncated ones would let keys collide) until the store's epoch moves.
 * @param options.prefix and peppers (newest first) are read at each use
 */
export function createKnownCallers(options: {
  keyring: Pick<Keyring, 'byDigest' | 'get' | 'epoch'>;
  prefix: () => string;
  peppers: () => readonly string[];
  order: ScopeOrder;
  limits: CallerCacheLimits;
  trust: AccessTokenTrust;
}): Callers {
  const { keyring, prefix, peppers, order, limits, trust } = options;
  const { clock } = trust;
  const tokens = createAccessTokens(trust, { goodMax: limits.callersMax, badMax: limits.unknownMax });
  const byDigest = new Map<string, Caller>();
  const byId = new Map<string, Caller>();
  const byClaims = new Map<AccessTokenClaims, Caller>();
  const unknown = new Set<string>();
  const scopeSets = new Map<string, ScopeSet>();
  /** What the token of a caller said, so that the caller can be made again from newer records. */
  const claimsOf = new WeakMap<Caller, AccessTokenClaims>();
  let epoch = keyring.epoch();

  const refresh = () => {
    const now = keyring.epoch();
    if (now === epoch) return;
    epoch = now;
    byDigest.clear();
    byId.clear();
    byClaims.clear();
    unknown.clear();
    scopeSets.clear();
  };

  /** Keys with the same scopes share one compiled set: ten thousand keys with sets of their own cost tail latency (measured). */
  const compiled = (scopes: readonly string[]): ScopeSet => {
    const text = scopes.join(' ');
    const known = scopeSets.get(text);
    if (known) return known;
    const set = compileScopes(scopes, order);
    scopeSets.set(text, set);
    // Narrowed scopes of access tokens are chosen by callers.
    trim(scopeSets, limits.callersMax);
    return set;
  };

  const compile = (key: KeyRecord): Caller | undefined => {
    const ancestors = key.parentIds.map((id) => keyring.get(id));
    const known = ancestors.filter((ancestor) => ancestor !== undefined);
    // Nothing says any more what this key may not do, so it may do nothing.
    if (known.length < ancestors.length) return undefined;
    const line = [key, ...known];
    const scopes = compiled(key.scopes);
    const sets = [...new Set(line.map((each) => compiled(each.scopes)))];
    const grants = (scope: string) => sets.every((set) => covers(set, scope));
    return { key, ancestors: known, scopes, grants, admitsAddress: addressTest(line), admitsTool: toolTest(line) };
  };

  const ofRecord = (record: KeyRecord | undefined): Caller | undefined => {
    if (!record) return undefined;
    const known = byId.get(record.id);
    if (known) return known;
    const caller = compile(record);
    if (!caller) return undefined;
    byId.set(record.id, caller);
    trim(byId, limits.callersMax);
    return caller;
  };

  const ofId = (id: string): Caller | undefined => byId.get(id) ?? ofRecord(keyring.get(id));

  const ofDigest = (digest: string): Caller | undefined => {
    const known = byDigest.get(digest);
    if (known) return known;
    if (unknown.has(digest)) return undefined;
    const caller = ofRecord(keyring.byDigest(digest));
    if (!caller) {
      unknown.add(digest);
      trim(unknown, limits.unknownMax);
      return undefined;
    }
    const shown = { ...caller, digest };
    byDigest.set(digest, shown);
    trim(byDigest, limits.callersMax);
    return shown;
  };

  /** The key's caller as the token speaks for it: the same record, fewer scopes. */
  const ofClaims = (claims: AccessTokenClaims): Caller | undefined => {
    const known = byClaims.get(claims);
    if (known) return known;
    const base = ofId(claims.keyId);
    if (!base) return undefined;
    const { id, expiresAt, binding } = claims;
    const held = base.key.digests.find(({ digest }) => bindingOf(digest) === binding);
    if (binding !== undefined && !held) return undefined;
    const scopes = claims.scopes && compiled(claims.scopes);
    const cut = scopes && { scopes, grants: (scope: string) => covers(scopes, scope) && base.grants(scope) };
    const caller: Caller = { ...base, accessToken: { id, expiresAt }, ...(held && { digest: held.digest }), ...cut };
    claimsOf.set(caller, claims);
    byClaims.set(claims, caller);
    trim(byClaims, limits.callersMax);
    return caller;
  };

  /** A rotated secret ends at a time of its own, and no epoch moves then. */
  const ifHeld = (caller: Caller | undefined): Caller | undefined => {
    if (caller?.digest === undefined) return caller;
    return holdsSecret(caller.key, { digest: caller.digest, now: clock.now() }) ? caller : undefined;
  };

  return {
    byKey(text) {
      if (!readKey(text, prefix())) return undefined;
      refresh();
      for (const pepper of peppers()) {
        const caller = ifHeld(ofDigest(digestKey(text, pepper)));
        if (caller) return caller;
      }
      return undefined;
    },
    async byAccessToken(text) {
      const claims = await tokens.verify(text);
      refresh();
      return claims && ifHeld(ofClaims(claims));
    },
    byId(id) {
      refresh();
      return ofId(id);
    },
    again(caller) {
      refresh();
      const claims = claimsOf.get(caller);
      if (claims) return ifHeld(ofClaims(claims));
      // A copy of a token's caller: made again without what the token said, it could do more than before.
      if (caller.accessToken) return undefined;
      if (caller.digest === undefined) return ofId(caller.key.id);
      const base = ofId(caller.key.id);
      return ifHeld(base && { ...base, digest: caller.digest });
    },
  };
}
