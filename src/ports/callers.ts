import type { KeyRecord } from '../domain/key.ts';
import type { ScopeSet } from '../domain/scope.ts';

/** A key as the stages judge it: the record, its ancestors and what was compiled from them. Never older than the store's epoch. */
export interface Caller {
  readonly key: KeyRecord;
  /** From the parent up. */
  readonly ancestors: readonly KeyRecord[];
  readonly scopes: ScopeSet;
  /** True where the key's address blocks, and every ancestor's, contain this address. */
  admitsAddress(address: string): boolean;
  /** True where the key's tool patterns, and every ancestor's, admit this tool. */
  admitsTool(tool: string): boolean;
}

/** Finds callers by their key's text, through a cache that the store's epoch invalidates. */
export interface Callers {
  /**
   * The caller this agent key belongs to, dead or alive; undefined for a key nobody minted.
   * Junk is rejected by shape and checksum before any look-up.
   */
  byKey(text: string): Caller | undefined;
  byId(id: string): Caller | undefined;
}
