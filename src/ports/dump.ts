import type { CounterBook } from '../domain/counters.ts';
import type { KeyRecord } from '../domain/key.ts';
import type { Checkpoint } from '../domain/record.ts';
import type { ToolPin } from '../domain/tool-pin.ts';
import type { KnownTotal } from '../domain/totals.ts';
import type { Factor } from './factors.ts';
import type { Account } from './ledger.ts';

/**
 * One thing that a store keeps, in a form that every kind of store can take in. Amounts in micro-units, times in ms since the epoch. No entry
 * holds a secret: keys are known by their digests, factors are sealed.
 */
export type KeptEntry = StateEntry | LineEntry | CheckpointEntry;

/** Everything but the journal and what is running. */
export type StateEntry =
  /** The first value that was kept under the name; those of a target must be equal. */
  | { readonly is: 'fingerprint'; readonly name: string; readonly value: string }
  | { readonly is: 'key'; readonly record: KeyRecord }
  | { readonly is: 'account'; readonly account: Account }
  /** A credit or a correction, by SHA-256 (hex) of account id, a line feed and reference; `of` says where it belongs, as the source knew it. */
  | {
      readonly is: 'reference';
      readonly hash: string;
      readonly amount: number;
      readonly of: { readonly account: string } | { readonly partition: string };
    }
  /** Every counter of a key, or of an account as `account:<id>`. */
  | { readonly is: 'counters'; readonly holder: string; readonly counters: CounterBook }
  /** What is known of a key's running totals, by the name of their counter. */
  | { readonly is: 'totals'; readonly holder: string; readonly totals: Readonly<Record<string, KnownTotal>> }
  | { readonly is: 'factor'; readonly factor: Factor }
  | { readonly is: 'pin'; readonly pin: ToolPin }
  | { readonly is: 'progress'; readonly name: string; readonly position: number }
  /** A one-time id by its SHA-256, hex, and when it may be forgotten. */
  | { readonly is: 'once'; readonly hash: string; readonly until: number }
  /** An attempt under an idempotency key, by the SHA-256 of its id, hex. */
  | {
      readonly is: 'replay';
      readonly hash: string;
      readonly bodyHash: string;
      readonly until: number;
      readonly answer?: { readonly status: number; readonly body: string };
    };

/** A call that was admitted and has not ended. */
interface HoldEntry {
  readonly is: 'hold';
  readonly id: string;
  readonly keyId: string;
  readonly price: number;
}

/** What was taken for several calls at once, and what would change if it were given back now. The calls that run are holds of their own. */
interface LeaseEntry {
  readonly is: 'lease';
  readonly id: string;
  readonly counters: readonly {
    readonly holder: string;
    readonly counter: string;
    readonly start: number;
    readonly spent: number;
    readonly held: number;
  }[];
  readonly account?: { readonly id: string; readonly balance: number; readonly held: number };
}

/** What runs while the store is read. */
export type RunningEntry = HoldEntry | LeaseEntry;

/** One record of the journal, exactly as it stands. Positions ascend by one. */
export interface LineEntry {
  readonly is: 'line';
  readonly position: number;
  readonly text: string;
}

export interface CheckpointEntry {
  readonly is: 'checkpoint';
  readonly checkpoint: Checkpoint;
}

/** What another store gave, to be taken in by an empty one. */
export interface Restoring {
  /** State in the order of a dump, then every line of the journal from its front, then its checkpoints. */
  readonly entries: AsyncIterable<KeptEntry>;
  /** Called once everything is written, while nobody can use the store. Where it throws, nobody ever can. */
  readonly check: () => Promise<void>;
}
