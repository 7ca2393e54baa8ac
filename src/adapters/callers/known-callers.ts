import { hash } from 'node:crypto';
import { type AccessTokenClaims, bindingOf } from '../../domain/access-token.ts';
import { digestKey, readKey } from '../../domain/credential.ts';
import { holdsSecret, type KeyRecord } from '../../domain/key.ts';
import { covers, type ScopeOrder } from '../../domain/scope.ts';
import type { Caller, Callers } from '../../ports/callers.ts';
import type { Keyring } from '../../ports/keyring.ts';
import { type AccessTokenTrust, createAccessTokens } from './access-tokens.ts';
import { compileCaller, createScopeSets } from './compile-caller.ts';
import { createSharedReads } from './shared-reads.ts';
import { trim } from './trim.ts';

/** Entries kept; beyond, the oldest go first. Unknown keys have a bound of their own, so that a flood of them evicts nobody. */
export interface CallerCacheLimits {
  readonly callersMax: number;
  readonly unknownMax: number;
}

/** Characters of the longest text that is looked up by its hash: no key is longer, and junk should cost nothing (A40). */
const provenCharactersMax = 128;

/** What was read of a key. `readAt` is the epoch before its records were read: what has not changed since is still good. */
interface Known {
  readonly caller: Caller | undefined;
  /** The key and its ancestors. */
  readonly ids: readonly string[];
  readonly readAt: number;
}

/**
 * Callers by key and by access token, cached under full digests (truncated ones would let keys collide), each until a key of its line
 * changes. A caller that is known and good costs no read, and is there at once.
 * @param options.prefix and peppers (newest first) are read at each use
 */
export function createKnownCallers(options: {
  keyring: Pick<Keyring, 'byDigest' | 'get' | 'epoch' | 'changedAt'>;
  prefix: () => string;
  peppers: () => readonly string[];
  order: ScopeOrder;
  limits: CallerCacheLimits;
  trust: AccessTokenTrust;
}): Callers {
  const { keyring, prefix, peppers, order, limits, trust } = options;
  const { clock } = trust;
  const tokens = createAccessTokens(trust, { goodMax: limits.callersMax, badMax: limits.unknownMax });
  const byDigest = new Map<string, Known>();
  const byId = new Map<string, Known>();
  const byClaims = new Map<AccessTokenClaims, { base: Caller; caller: Caller }>();
  const unknown = new Map<string, Known>();
  /** The digests of keys that were good, by the full SHA-256 of their texts: that costs a third of checksum and HMAC. */
  const proven = new Map<string, { readonly prefix: string; readonly pepper: string; readonly digest: string }>();
  const compiled = createScopeSets(order, limits.callersMax);
  /** What the token of a caller said, so that the caller can be made again from newer records. */
  const claimsOf = new WeakMap<Caller, AccessTokenClaims>();

  const isGood = ({ caller, ids, readAt }: Known): boolean =>
    caller === undefined ? keyring.epoch() === readAt : keyring.changedAt(ids) <= readAt;
  const readOnce = createSharedReads(isGood);

  const read = async (find: () => Promise<KeyRecord | undefined>): Promise<Known> => {
    const readAt = keyring.epoch();
    const key = await find();
    const line = key ? await Promise.all(key.parentIds.map((id) => keyring.get(id))) : [];
    const ancestors = line.filter((ancestor) => ancestor !== undefined);
    // Where an ancestor is gone, nothing says any more what this key may not do, so it may do nothing.
    if (!key || ancestors.length < line.length) return { caller: undefined, ids: [], readAt };
    const known = { caller: compileCaller(key, ancestors, compiled), ids: [key.id, ...key.parentIds], readAt };
    const before = byId.get(key.id)?.caller;
    // Of two reads that cross, the one that ends last need not be the newer one.
    if (!before || !isNewer(before, known.caller)) byId.set(key.id, known);
    trim(byId, limits.callersMax);
    return known;
  };

  const readDigest = (digest: string): Promise<Known> =>
    readOnce(`digest ${digest}`, async () => {
      const { caller, ...rest } = await read(() => keyring.byDigest(digest));
      const known: Known = { caller: caller && { ...caller, digest }, ...rest };
      const entries = caller ? byDigest : unknown;
      entries.set(digest, known);
      trim(entries, caller ? limits.callersMax : limits.unknownMax);
      return known;
    });

  const readId = (id: string): Promise<Known> => readOnce(`id ${id}`, () => read(() => keyring.get(id)));

  /** What is known and still good. */
  const good = (known: Known | undefined): Known | undefined => (known && isGood(known) ? known : undefined);

  const ofId = async (id: string): Promise<Caller | undefined> => (good(byId.get(id)) ?? (await readId(id))).caller;

  /** The caller's key from records that are newer than its own, or read now: whoever asks may know of a change that nobody has told here. */
  const newest = async (caller: Caller): Promise<Caller | undefined> => {
    const { id } = caller.key;
    const known = good(byId.get(id))?.caller;
    return known && isNewer(known, caller) ? known : (await read(() => keyring.get(id))).caller;
  };

  /** The key's caller as the token speaks for it: the same record, fewer scopes. */
  const ofClaims = (claims: AccessTokenClaims, base: Caller | undefined): Caller | undefined => {
    if (!base) return undefined;
    const known = byClaims.get(claims);
    if (known?.base === base) return known.caller;
    const { id, expiresAt, binding } = claims;
    const held = base.key.digests.find(({ digest }) => bindingOf(digest) === binding);
    if (binding !== undefined && !held) return undefined;
    const scopes = claims.scopes && compiled(claims.scopes);
    const cut = scopes && { scopes, grants: (scope: string) => covers(scopes, scope) && base.grants(scope) };
    const caller: Caller = { ...base, accessToken: { id, expiresAt }, ...(held && { digest: held.digest }), ...cut };
    claimsOf.set(caller, claims);
    byClaims.set(claims, { base, caller });
    trim(byClaims, limits.callersMax);
    return caller;
  };

  /** A rotated secret ends at a time of its own, and no epoch moves then. */
  const ifHeld = (caller: Caller | undefined): Caller | undefined => {
    if (caller?.digest === undefined) return caller;
    return holdsSecret(caller.key, { digest: caller.digest, now: clock.now() }) ? caller : undefined;
  };

  /** @param name of the text among those that were good; empty where it is too long to be one */
  const prove = async (text: string, name: string): Promise<Caller | undefined> => {
    if (!readKey(text, prefix())) return undefined;
    for (const pepper of peppers()) {
      const digest = digestKey(text, pepper);
      const known = good(byDigest.get(digest)) ?? good(unknown.get(digest)) ?? (await readDigest(digest));
      const caller = ifHeld(known.caller);
      if (!caller) continue;
      if (name !== '') proven.set(name, { prefix: prefix(), pepper, digest });
      trim(proven, limits.callersMax);
      return caller;
    }
    return undefined;
  };

  return {
    byKey(text) {
      const name = text.length <= provenCharactersMax ? hash('sha256', text) : '';
      const before = proven.get(name);
      const known = before && before.prefix === prefix() && peppers().includes(before.pepper) ? byDigest.get(before.digest) : undefined;
      return ifHeld(good(known)?.caller) ?? prove(text, name);
    },
    async byAccessToken(text) {
      const claims = await tokens.verify(text);
      return claims && ifHeld(ofClaims(claims, await ofId(claims.keyId)));
    },
    byId: ofId,
    async again(caller) {
      const claims = claimsOf.get(caller);
      // A copy of a token's caller: made again without what the token said, it could do more than before.
      if (caller.accessToken && !claims) return undefined;
      const base = await newest(caller);
      if (claims) return ifHeld(ofClaims(claims, base));
      if (caller.digest === undefined) return base;
      return ifHeld(base && { ...base, digest: caller.digest });
    },
  };
}

/** Where two callers are of one key, their ancestors are the same and in the same order. */
function isNewer(one: Caller, other: Caller): boolean {
  const revisions = [other.key, ...other.ancestors].map(({ revision }) => revision);
  return [one.key, ...one.ancestors].some(({ revision }, at) => revision > (revisions[at] ?? 0));
}
