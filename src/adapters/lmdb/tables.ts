import type { CounterBook } from '../../domain/counters.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { Checkpoint } from '../../domain/record.ts';
import type { ToolPin } from '../../domain/tool-pin.ts';
import type { KnownTotal } from '../../domain/totals.ts';
import type { Factor } from '../../ports/factors.ts';
import type { Account } from '../../ports/ledger.ts';
import type { Attempt } from './attempt.ts';
import type { Commit } from './commits.ts';
import type { DueIds, DueKey, EndedReservations, Hold } from './reservation.ts';

/** Which entries of a table, in order of their keys. Bounds are keys or the first members of keys; `end` is not included. */
export interface Range {
  readonly start?: Bound;
  readonly end?: Bound;
  readonly exclusiveStart?: boolean;
  readonly limit?: number;
}

type Bound = string | number | (string | number)[];

/** One ordered map of the store. LMDB's databases have this shape. Writes are made inside a commit only. */
export interface Table<V, K> {
  get(key: K): V | undefined;
  doesExist(key: K): boolean;
  put(key: K, value: V): unknown;
  remove(key: K): unknown;
  getRange(range: Range): Iterable<{ key: K; value: V }>;
  getKeys(range: Range): Iterable<K>;
}

/** A credit or a correction of a balance. */
export interface Payment {
  /** Micro-units; what was taken away is negative. */
  readonly amount: number;
  /** Its account, or the partition that has the account, as a shared store told where the payment was made in one. */
  readonly of: { readonly account: string } | { readonly partition: string };
}

/** The texts of a pin's definitions, apart from it: they are long, and only people read them. */
export interface PinTexts {
  readonly pinned?: string;
  readonly seen?: string;
}

export type CheckpointKey = [partition: string, seq: number, signature: string];

/** The holds of calls that run. */
export interface Holds extends Table<Hold, string> {
  /** Ids of those that may be captured at `now`, at most `max`, in no order. */
  expired(now: number, max: number): string[];
}

/** Every table of the one environment. They share commits. */
export interface Tables {
  /** Schema version, epoch, journal head, ends of imported partitions, gateway claim, fingerprints, progress of duties, revisions of pins, import under way. */
  readonly meta: Table<unknown, string>;
  readonly keys: Table<KeyRecord, string>;
  /** Reads a key record, parsed once for as long as it stays the same. */
  readonly readKey: (id: string) => KeyRecord | undefined;
  /** Digest to key id. */
  readonly digests: Table<string, string>;
  /** Holder (a key's id, or `account:<id>`) to its counters. */
  readonly counters: Table<CounterBook, string>;
  /** Key id to what is known of its running totals, by the name of their counter. */
  readonly totals: Table<Readonly<Record<string, KnownTotal>>, string>;
  /** Key id to its second factor. */
  readonly factors: Table<Factor, string>;
  /** Upstream and SHA-256 of a tool's name to its pin, without texts, and to those. */
  readonly pins: Table<ToolPin, string>;
  readonly pinTexts: Table<PinTexts, string>;
  /** SHA-256 of an idempotency id to the attempt under it. */
  readonly replays: Table<Attempt, string>;
  readonly holds: Holds;
  readonly ended: EndedReservations;
  readonly due: Table<DueIds, DueKey>;
  readonly accounts: Table<Account, string>;
  /** SHA-256 of account and reference to what was paid under it. */
  readonly references: Table<Payment, string>;
  /** SHA-256 of a one-time id to when it may be forgotten. */
  readonly once: Table<number, string>;
  /** Position to the record's exact text. Ranges end with what LMDB has committed. */
  readonly journal: Table<string, number>;
  readonly checkpoints: Table<Checkpoint, CheckpointKey>;
  /**
   * Runs `body` inside the write lock on the newest state and resolves once the commit is durable. Many callers share one
   * commit, so an exception does NOT undo what `body` wrote: it must check and compute everything before its first write.
   * With `patient` it may wait some milliseconds for another act to share its commit with: for acts whose end no client waits for.
   * @throws what `body` threw before its first write, or Error where the commit failed (nothing of it is kept)
   */
  readonly commit: Commit;
  /** A time of a record as it stands there. @throws RangeError for what is no time */
  readonly timeText: (time: number) => string;
  /** To be called by an act that may be done in memory, where it cannot. @throws NeedsTransaction, and then it is done anew in a transaction */
  requireTransaction(): void;
  /** Resolves once reads outside of a commit see everything that was told to be durable so far. */
  readable(): Promise<void>;
  /** Resolves once ranges of the journal, and other processes, see everything that was told to be durable so far. */
  catchUp(): Promise<void>;
  /** Reads from now on see everything that any process committed before. */
  refresh(): void;
}
