import type { DenialFacts, Reason } from './denial.ts';

/** What would become of a call now, and why: the answer of a dry run. */
export interface Explanation {
  readonly decision: 'allowed' | 'refused';
  readonly reason?: Reason;
  /** The rule that decides, and which text of it; absent where none was reached. */
  readonly rule?: string;
  readonly ruleRevision?: string;
  readonly scopes: { readonly held: readonly string[]; readonly needed: readonly string[] };
  /** A decimal string. */
  readonly price: string;
  /** Every limit of the key, its ancestors and its account as it stands before the call. */
  readonly limits: readonly ExplainedLimit[];
  /** One sentence: what would lift the refusal. */
  readonly lift?: string;
  /** What the refusal itself would carry to the caller. */
  readonly facts?: DenialFacts;
}

/** Money and totals are decimal strings, counts whole numbers, times ISO 8601. */
export interface ExplainedLimit {
  readonly limitName: string;
  readonly unit: 'money' | 'calls';
  readonly limit: string | number;
  readonly spent: string | number;
  readonly held: string | number;
  readonly resetAt?: string;
}
