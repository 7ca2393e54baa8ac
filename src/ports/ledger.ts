import type { Budget, Cap, KeyRecord, LedgerRoot, Per } from '../domain/key.ts';
import type { Micros } from '../domain/money.ts';
import type { RecordFacts } from '../domain/record.ts';

/** What was asked for contradicts what the ledger holds already. Its message is meant for whoever asked; nothing was written. */
export class LedgerConflict extends Error {
  override readonly name = 'LedgerConflict';
}

/** A running total of an argument under a rule, such as the sum of `amount` each day; held and settled like a budget, for the key and all that descends from it. */
export interface ArgumentTotal {
  /** Names the counter within the key, such as `bank.tools[0] amount`. */
  readonly name: string;
  /** This call's share, in millionths: a safe integer, 0 or more. */
  readonly amount: number;
  /** In millionths. */
  readonly limit: number;
  readonly per: Per;
  readonly zone: string;
}

/** What one admit asks for. */
export interface AdmitRequest {
  /** The ledger root; nothing is promised across roots. */
  readonly root: LedgerRoot;
  /** Unique per call; a second admit with the same id returns the first one's answer and takes nothing (resends are harmless). */
  readonly reservationId: string;
  /** The key as it was judged: admit refuses with `stale` when the stored revision of it or of an ancestor differs. */
  readonly key: KeyRecord;
  readonly ancestors: readonly KeyRecord[];
  /** Counts against budgets, caps and max-uses; false for requests that are only recorded. */
  readonly counts: boolean;
  readonly tool?: string | undefined;
  readonly price: Micros;
  /** Checked and taken for the topmost ancestor, or the key where it has none; also where `counts` is false. */
  readonly totals?: readonly ArgumentTotal[] | undefined;
  readonly now: number;
  /** When the hold expires unless renewed or settled. */
  readonly holdUntil: number;
  /** What an expired hold is charged: the whole price (where absent), or nothing. */
  readonly onExpiry?: 'full' | 'none';
  /**
   * How many such calls a shared ledger may hold at once, to be admitted from that hold within so many milliseconds. It is only ever cheaper: the
   * call is admitted or refused by what is stored at that moment, and its intent is committed like any other. It is asked for once, and
   * renewed and settled at the ledger that admitted it. A ledger may ignore this, and does for calls with totals.
   */
  readonly lease?: { readonly calls: number; readonly ms: number } | undefined;
  /** The intent, appended in the same commit. */
  readonly intent: RecordFacts;
}

/** A limit that refused, with what the caller may know of it. Amounts in micro-units, counts in calls, times in ms. */
export interface LimitBreach {
  /** POLICY_DENIED where a running total of an argument is used up. */
  readonly reason: 'BUDGET_EXHAUSTED' | 'CAP_EXCEEDED' | 'BALANCE_EXHAUSTED' | 'POLICY_DENIED';
  /** Whose limit: `key:<id>` or `account:<id>`, and which: such as `key:AbCd1234 budget day`. */
  readonly limitName: string;
  readonly unit: 'micros' | 'calls';
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  /** Undefined where it never resets. */
  readonly resetAt?: number;
}

export type AdmitResult =
  /** `over` names soft limits that this call goes beyond: they warn and refuse nothing. A resend is not told. */
  | { readonly kind: 'admitted'; readonly reservationId: string; readonly over?: readonly string[] }
  /** The record changed since it was judged: judge again. Nothing was written. */
  | { readonly kind: 'stale' }
  /** Dead since it was judged. The refusal is in the journal. */
  | { readonly kind: 'dead'; readonly reason: 'TOKEN_REVOKED' | 'TOKEN_EXPIRED' | 'TOKEN_INVALID' }
  /** A limit refused. The refusal is in the journal; nothing was taken. */
  | { readonly kind: 'limited'; readonly breach: LimitBreach };

export interface SettleRequest {
  readonly root: LedgerRoot;
  readonly reservationId: string;
  /** 0 <= charge <= the hold; the rest is released. */
  readonly charge: Micros;
  /**
   * True where nothing was sent: running totals of arguments get their shares back, and the charge is 0. Otherwise the shares are
   * spent whatever the call cost, because the upstream may have done what the arguments asked for.
   */
  readonly released?: boolean;
  readonly now: number;
  /** The outcome, appended in the same commit. */
  readonly outcome: RecordFacts;
}

/** One line of a usage report. */
export interface UsageLine {
  readonly limitName: string;
  readonly unit: 'micros' | 'calls';
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly resetAt?: number;
  /** True where it only warns. */
  readonly soft?: true;
}

/** Money that many keys may share. Amounts in micro-units. */
export interface Account {
  readonly id: string;
  readonly balance: number;
  readonly held: number;
  readonly createdAt: number;
  /** Limits on what live keys take from it together, besides the balance. */
  readonly budgets: readonly Budget[];
  readonly caps: readonly Cap[];
  /** Grows by one with every change of budgets or caps. */
  readonly revision: number;
}

/**
 * Money, counts and the journal: one commit holds all three (I1, I2, I8).
 * Every promise resolves only after the commit is durable. A rejected promise means that nothing can be said about the
 * commit; the caller fails closed.
 */
export interface Ledger {
  /** Checks everything before it writes anything. */
  admit(request: AdmitRequest): Promise<AdmitResult>;
  /** The limit that would refuse this call now, or undefined. Takes and writes nothing; an admit may still answer otherwise. */
  preview(
    request: Pick<AdmitRequest, 'key' | 'ancestors' | 'counts' | 'tool' | 'price' | 'totals' | 'now'>,
  ): Promise<LimitBreach | undefined>;
  /** Ends a reservation. Idempotent. After expiry it corrects what expiry captured, never upward. */
  settle(request: SettleRequest): Promise<void>;
  /** Moves a running call's hold into the future; false where it has been ended already. */
  renew(options: { root: LedgerRoot; reservationId: string; holdUntil: number }): Promise<boolean>;
  /** Appends a record that takes nothing: a refusal, a management act. */
  record(facts: RecordFacts): Promise<void>;
  /** Remembers a one-time id until `until`; false where it was used before. */
  useOnce(options: { id: string; until: number }): Promise<boolean>;
  /** Which of these one-time ids are remembered now, in their order. Writes nothing. */
  remembers(ids: readonly string[]): Promise<readonly boolean[]>;
  /** Captures every hold that expired before `now`, or all that `orphaned` names. Resolves to how many. */
  sweep(options: { now: number; orphaned?: (owner: string) => boolean }): Promise<number>;
  /** @throws LedgerConflict where the account exists */
  createAccount(options: {
    id: string;
    budgets?: readonly Budget[];
    caps?: readonly Cap[];
    now: number;
    by: RecordFacts;
  }): Promise<Account>;
  account(id: string): Promise<Account | undefined>;
  /** Replaces the account's limits where given. Resolves to undefined where there is no such account. */
  limitAccount(options: {
    id: string;
    budgets?: readonly Budget[];
    caps?: readonly Cap[];
    now: number;
    by: RecordFacts;
  }): Promise<Account | undefined>;
  /**
   * Idempotent by reference: the same reference with the same amount changes nothing.
   * @throws LedgerConflict where the reference stands for another amount, or the balance would pass one billion units
   */
  credit(options: {
    accountId: string;
    amount: Micros;
    reference: string;
    now: number;
    by: RecordFacts;
  }): Promise<{ account: Account; replayed: boolean }>;
  /**
   * Corrects a balance by hand, up or down, once per reference as `credit` does; references of both are one set.
   * @param options.amount micro-units, not 0; a negative one takes away, at most what running calls do not hold
   * @throws LedgerConflict as `credit` does, and where there is not as much to take
   */
  adjust(options: {
    accountId: string;
    amount: number;
    reference: string;
    now: number;
    by: RecordFacts;
  }): Promise<{ account: Account; replayed: boolean }>;
  /**
   * Every limit of the key, its ancestors and its account as it stands now, and their running totals of arguments where the window has any.
   */
  usage(options: { key: KeyRecord; ancestors: readonly KeyRecord[]; now: number }): Promise<UsageLine[]>;
}
