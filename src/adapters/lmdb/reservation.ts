import type { Taking } from '../../domain/taking.ts';
import type { AdmitResult } from '../../ports/ledger.ts';

/**
 * What happens to an id when its time has come: an ended reservation, a group of them, a one-time id or a replay is forgotten. Holds stand there in stores of
 * version 3 only; now those that expired are found by looking through all that there are.
 */
export type DueKind = 'hold' | 'ended' | 'group' | 'once' | 'replay';

/** A call that was admitted and has not ended. */
export interface Hold {
  readonly id: string;
  /** The process life that admitted it. */
  readonly owner: string;
  readonly keyId: string;
  /** Milliseconds since the epoch; from then on it may be captured. */
  readonly until: number;
  /** Micro-units held in the account, where there is one. */
  readonly price: number;
  /** What it holds in counters, with the limits that read them as they stood when it was admitted. What was spent at once is not among them. */
  readonly takings: readonly Taking[];
  /** The account that pays: only live keys have one here. */
  readonly accountId?: string;
  /** Present where an expiry charges nothing and gives the shares of running totals back. */
  readonly onExpiry?: 'none';
  /** The intent's position in the journal: the outcome of a captured hold repeats its facts. */
  readonly intentAt: number;
}

/** What is remembered of a reservation that takes nothing any more, until `forgetAt`. */
export type Ended =
  | { readonly state: 'refused'; readonly answer: AdmitResult; readonly forgetAt: number }
  | { readonly state: 'settled'; readonly forgetAt: number }
  /** Charged by its expiry; a late settle may still correct the charge. */
  | { readonly state: 'captured'; readonly hold: Hold; readonly forgetAt: number };

/** What is remembered of reservations that ended, by their ids. Changed inside a commit only. */
export interface EndedReservations {
  get(id: string): Ended | undefined;
  put(id: string, ended: Ended): void;
  /** Takes away one that stands by itself. */
  forget(id: string): void;
  /** Takes away rows of a group whose time has come, at most `max`, and answers how many; what is left of it becomes due again. */
  forgetGroup(group: string, options: { now: number; max: number }): number;
  /** Whether nothing is remembered. */
  isEmpty(): boolean;
}

export type DueKey = [at: number, kind: DueKind, id: string];

/** Ids that are due together with the one that the entry is named by, as stores of version 4 have them; true where there are none. */
export type DueIds = true | readonly string[];

/** Where an id stands in the order of what is due. */
export function dueKey(at: number, kind: DueKind, id: string): DueKey {
  return [at, kind, id];
}
