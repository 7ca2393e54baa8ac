import type { KeyRecord } from '../domain/key.ts';

/** What an operator may list keys by. Every member narrows. */
export interface KeyFilter {
  readonly orgId?: string;
  readonly agentId?: string;
  readonly accountId?: string;
  readonly parentId?: string;
  readonly environment?: 'live' | 'test';
  readonly kind?: 'agent' | 'bot' | 'operator';
}

/** Where key records live. Writes are durable when their promise resolves and are journalled in the same commit. */
export interface Keyring {
  /**
   * The record whose current digests hold this one, dead or alive, or undefined. The newest committed state of any process.
   * @param digest HMAC-SHA-256 of the whole key text, hex
   */
  byDigest(digest: string): Promise<KeyRecord | undefined>;
  get(id: string): Promise<KeyRecord | undefined>;
  /** Ids of keys in order of creation id, at most `limit`, after `cursor` where given. */
  list(options: { filter: KeyFilter; limit: number; cursor?: string }): Promise<{ keys: KeyRecord[]; nextCursor?: string }>;
  /**
   * A number that grows with every committed change of any key by any process, as far as this process has heard.
   * @throws Error where the store cannot be read
   */
  epoch(): number;
  /**
   * The epoch at which one of these keys last changed. What was read of them when the epoch was at least that is still good. Infinity
   * where they must be read anew each time: a change is under way, or nothing was heard of changes for too long.
   */
  changedAt(ids: readonly string[]): number;
  /**
   * Calls back with the ids of keys that a process of the store changed, this one too, or with `all` where changes may have been missed; never
   * again after the store is closed. What the listener promises is what `acknowledged` waits for. The embedded store calls nobody.
   */
  onChange(listener: (changed: readonly string[] | 'all') => Promise<void>): void;
  /**
   * Waits until every live gateway process has acted on the changes that this process has committed so far (dropped what it knew, cut the
   * streams), at most `withinMs` milliseconds. Resolves to the names of those that have, and of those that have not said so.
   * @throws Error where it cannot even be asked who they are; the changes stand
   */
  acknowledged(withinMs: number): Promise<Acknowledgement>;
  /** Adds a key. @throws Error where id or digest exists already (nothing is written). */
  insert(record: KeyRecord, by: Actor): Promise<void>;
  /**
   * Puts a changed record in place of the stored one, with its digests; the record's revision must be `expected + 1`. Resolves
   * false, and writes nothing, where the stored revision is not `expected`: somebody was faster, so read and decide again.
   * @throws Error where there is no such key, or where id, parents, environment, kind or ledger root differ: those never change
   */
  replace(options: { record: KeyRecord; expected: number; fact: KeyFact; by: Actor }): Promise<boolean>;
  /** Deletes the key and its digests for good; its journal stays. Resolves to the record it was, or undefined. Descendants are dead with it. */
  remove(id: string, options: { reason: string; at: number; by: Actor }): Promise<KeyRecord | undefined>;
  /** Marks the key revoked; idempotent. Resolves to the record as it stands, or undefined where there is none. */
  revoke(id: string, options: { reason: string; at: number; by: Actor }): Promise<KeyRecord | undefined>;
}

export interface Acknowledgement {
  readonly acknowledged: readonly string[];
  readonly pending: readonly string[];
}

/** What a change of a key is called in the journal, and more that is worth keeping about it. Never a secret. */
export interface KeyFact {
  readonly kind: 'key.changed' | 'key.rotated' | 'key.expiring' | 'key.leaked';
  readonly [fact: string]: unknown;
}

/** Who did a management act, for the journal. */
export interface Actor {
  readonly via: 'cli' | 'api' | 'init' | 'demo' | 'system';
  readonly keyId?: string;
  /** The organisation whose keys alone they may see and touch; absent = every one. */
  readonly orgId?: string;
}
