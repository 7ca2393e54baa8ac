import type { Micros } from './money.ts';

/** Calendar windows; `total` never resets. Weeks begin on Monday. */
export type Per = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';

export type Environment = 'live' | 'test';
export type KeyKind = 'agent' | 'bot' | 'operator';

/** An amount that may be spent in each window. Unit: micro-units. */
export interface Budget {
  readonly amount: Micros;
  readonly per: Per;
  /** IANA time zone whose calendar the window follows. */
  readonly zone: string;
  /** Exact tool name, or a prefix where it ends in `*`; absent = every call that has a price. */
  readonly tool?: string;
  /** Warns where it is passed, and refuses nothing. */
  readonly soft?: true;
}

/** A number of calls that may be admitted in each window, for one tool name pattern or for all. */
export interface Cap {
  readonly calls: number;
  readonly per: Per;
  readonly zone: string;
  readonly tool?: string;
  /** Warns where it is passed, and refuses nothing. */
  readonly soft?: true;
}

/** Requests of every kind per number of seconds. */
export interface Rate {
  readonly calls: number;
  readonly perSeconds: number;
}

/** One secret of a key: what is stored of it. Two are live only while a rotation overlaps. */
export interface KeyDigest {
  /** HMAC-SHA-256 of the whole key text under the pepper, hex. */
  readonly digest: string;
  readonly pepperId: string;
  /** Milliseconds since the epoch after which this secret no longer works; absent for the current one. */
  readonly until?: number;
}

/** A key as the store keeps it. The secret itself is never here. Times are milliseconds since the Unix epoch. */
export interface KeyRecord {
  /** Eight base62 characters; also the third part of the key's text. */
  readonly id: string;
  readonly name: string;
  readonly kind: KeyKind;
  readonly environment: Environment;
  /** Display only: `kg_live_AbCd1234` and the last four characters. */
  readonly prefix: string;
  readonly last4: string;
  readonly orgId?: string;
  readonly agentId?: string;
  readonly botId?: string;
  readonly accountId?: string;
  readonly onBehalfOf?: string;
  /** Ancestors from the parent up to the topmost; empty for a key of its own. Fixed at mint. */
  readonly parentIds: readonly string[];
  readonly scopes: readonly string[];
  readonly budgets: readonly Budget[];
  readonly caps: readonly Cap[];
  readonly rate?: Rate;
  /** Empty = every upstream. */
  readonly upstreams: readonly string[];
  /** Tool name patterns; empty = every tool that a rule and the scopes admit. */
  readonly tools: readonly string[];
  /** CIDR blocks; empty = anywhere. */
  readonly addresses: readonly string[];
  /** False where the key may not mint narrower keys; absent = it may, down to the configured depth. */
  readonly children?: false;
  readonly maxUses?: number;
  readonly owner?: string;
  readonly purpose?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly createdAt: number;
  readonly expiresAt?: number;
  readonly revokedAt?: number;
  readonly revokedReason?: string;
  /** Grows by one with every change of the record. */
  readonly revision: number;
  readonly digests: readonly KeyDigest[];
}

/** Why a key may not be used now; undefined when it may. Expiry is judged here on every use (I3). */
export function deadReason(key: KeyRecord, now: number): 'TOKEN_REVOKED' | 'TOKEN_EXPIRED' | undefined {
  if (key.revokedAt !== undefined) return 'TOKEN_REVOKED';
  if (key.expiresAt !== undefined && now >= key.expiresAt) return 'TOKEN_EXPIRED';
  return undefined;
}

/**
 * Names of the members that differ, in alphabetical order, for the journal; `revision` always does and is left out. Digests are
 * called `secret`: that it changed may be said, what it is may not (I5).
 */
export function changedMembers(before: KeyRecord, after: KeyRecord): string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]) as Set<keyof KeyRecord>;
  names.delete('revision');
  return [...names]
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => (name === 'digests' ? 'secret' : name))
    .sort();
}

/** Whether this secret opens the key now: a rotation drops it, or lets it end a while later. Judged on every use, since no record changes then. */
export function holdsSecret(key: KeyRecord, { digest, now }: { digest: string; now: number }): boolean {
  return key.digests.some((each) => each.digest === digest && (each.until === undefined || now < each.until));
}

/** The ledger root: the account, else the topmost ancestor, else the key. It never changes, so one admit touches one root. */
export function rootOf(key: KeyRecord): LedgerRoot {
  return (key.accountId !== undefined ? `account:${key.accountId}` : `key:${key.parentIds.at(-1) ?? key.id}`) as LedgerRoot;
}

export type LedgerRoot = string & { readonly __ledgerRoot: unique symbol };
