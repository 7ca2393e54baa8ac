import type { AdmitResult } from '../../ports/ledger.ts';
import type { TotalTaking } from './totals.ts';

/** What happens to an id when its time has come: a hold expires, an ended reservation or a one-time id or a replay is forgotten. */
export type DueKind = 'hold' | 'ended' | 'once' | 'replay';

/** A counter that holds a reservation's price, in the window of its admit. */
export interface Taking {
  readonly keyId: string;
  readonly counter: string;
  readonly start: number;
}

/** A call that was admitted and has not ended. */
export interface Hold {
  readonly id: string;
  /** The process life that admitted it. */
  readonly owner: string;
  readonly keyId: string;
  /** Milliseconds since the epoch; from then on it may be captured. */
  readonly until: number;
  /** Micro-units held in every taking, and in the account where there is one. */
  readonly price: number;
  readonly takings: readonly Taking[];
  /** Shares of running totals. Absent where there are none, as in holds of earlier releases. */
  readonly totals?: readonly TotalTaking[];
  /** Whose totals they are, where not the key's own: its topmost ancestor's. */
  readonly totalsKeyId?: string;
  /** The account that pays: only live keys have one here. */
  readonly accountId?: string;
  /** The intent's place in the journal: the outcome of a captured hold repeats its facts. */
  readonly intentSeq: number;
}

/** What is remembered of a reservation that takes nothing any more, until `forgetAt`. */
export type Ended =
  | { readonly state: 'refused'; readonly answer: AdmitResult; readonly forgetAt: number }
  | { readonly state: 'settled'; readonly forgetAt: number }
  /** Charged in full because it expired; a late settle may still lower the charge. */
  | { readonly state: 'captured'; readonly hold: Hold; readonly forgetAt: number };

/** Resends of an admit and second settles are recognised for this long after the end. */
export const endedMsKept = 15 * 60_000;
/** A late settle corrects a captured hold for this long. */
export const capturedMsKept = 24 * 3_600_000;

const idPattern = /^[\x21-\x7e]{1,128}$/;

/** @throws Error for ids that are not 1 to 128 printable ASCII characters: they would not fit a database key */
export function checkReservationId(id: string): void {
  if (!idPattern.test(id)) throw new Error('A reservation id is 1 to 128 printable ASCII characters.');
}

/** Where an id stands in the order of what is due. */
export function dueKey(at: number, kind: DueKind, id: string): [at: number, kind: DueKind, id: string] {
  return [at, kind, id];
}
