import type { KeyRecord } from '../domain/key.ts';
import type { ScopeSet } from '../domain/scope.ts';

/** A key as the stages judge it: the record, its ancestors and what was compiled from them. Never older than the store's epoch. */
export interface Caller {
  readonly key: KeyRecord;
  /** From the parent up. */
  readonly ancestors: readonly KeyRecord[];
  readonly scopes: ScopeSet;
  /** The access token that spoke for the key, where it was one: its own end, and the scopes it was cut down to. */
  readonly accessToken?: { readonly id: string; readonly expiresAt: number };
  /** Digest of the secret that was shown, or that the access token was given for: a rotation ends it, and what was opened with it. */
  readonly digest?: string;
  /** True where the key, every ancestor, and the access token if any, cover the scope (I7). */
  grants(scope: string): boolean;
  /** True where the key's address blocks, and every ancestor's, contain this address. */
  admitsAddress(address: string): boolean;
  /** True where the key's tool patterns, and every ancestor's, admit this tool. */
  admitsTool(tool: string): boolean;
}

/** Finds callers by their key's text, through a cache that the keyring's epoch invalidates. */
export interface Callers {
  /**
   * The caller this agent key belongs to, dead or alive; undefined for a key nobody minted.
   * Junk is rejected by shape and checksum before any look-up. One that is known and good is there at once.
   */
  byKey(text: string): Caller | undefined | Promise<Caller | undefined>;
  /**
   * The caller an access token (JWT, ES256, issued by this gateway, RFC 9068 `at+jwt`) speaks for. Undefined where its signature,
   * issuer, audience, type or algorithm is not right; an expired one gives a caller whose token has expired.
   */
  byAccessToken(text: string): Promise<Caller | undefined>;
  byId(id: string): Promise<Caller | undefined>;
  /** The same caller from the newest records, still cut down to its access token's scopes. Undefined where key or secret are gone. */
  again(caller: Caller): Promise<Caller | undefined>;
}
