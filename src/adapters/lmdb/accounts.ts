import { createHash } from 'node:crypto';
import { balanceProblem, checkAccountId, checkBalanceChange, referenceProblem } from '../../domain/account-change.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { type Account, type Ledger, LedgerConflict } from '../../ports/ledger.ts';
import { draftRecords, writeDrafts } from './append.ts';
import type { Tables } from './tables.ts';

/** Creates an account with balance 0, to be run inside one commit. @throws Error for a malformed id, LedgerConflict for a taken one */
export function createAccount(tables: Tables, { id, budgets = [], caps = [], now, by }: Parameters<Ledger['createAccount']>[0]): Account {
  checkAccountId(id);
  if (tables.accounts.doesExist(id)) throw new LedgerConflict(`Account ${id} exists already.`);
  const account: Account = { id, balance: 0, held: 0, createdAt: now, budgets, caps, revision: 1 };
  put(tables, account, { now, facts: { ...by, kind: 'account.created', account: id } });
  return account;
}

/** Replaces the limits that are given, to be run inside one commit; undefined where there is no such account. */
export function limitAccount(tables: Tables, { id, budgets, caps, now, by }: Parameters<Ledger['limitAccount']>[0]): Account | undefined {
  const account = tables.accounts.get(id);
  if (!account || (budgets === undefined && caps === undefined)) return account;
  const limits = { ...(budgets && { budgets }), ...(caps && { caps }) };
  const after: Account = { ...account, ...limits, revision: account.revision + 1 };
  const changed = Object.keys(limits).sort();
  put(tables, after, { now, facts: { ...by, kind: 'account.limited', account: id, changed, revision: after.revision } });
  return after;
}

/**
 * Adds to a balance or takes from it, once per reference, to be run inside one commit.
 * @throws Error where the account is unknown or the amount is none of the kind; LedgerConflict where the reference was used for
 *   another amount, or the balance has no room for it
 */
export function changeBalance(
  tables: Tables,
  options: { accountId: string; amount: number; reference: string; now: number; by: RecordFacts; kind: 'credit' | 'adjustment' },
): { account: Account; replayed: boolean } {
  const { accountId, amount, reference, now, by, kind } = options;
  checkBalanceChange({ amount, reference, kind });
  const account = tables.accounts.get(accountId);
  if (!account) throw new Error(`There is no account ${accountId}.`);
  // References are the caller's own text of any length, so they are kept by their hash.
  const referenceKey = createHash('sha256').update(`${accountId}\n${reference}`).digest('hex');
  const before = tables.references.get(referenceKey);
  if (before?.amount === amount) return { account, replayed: true };
  if (before !== undefined) throw new LedgerConflict(referenceProblem(before.amount));
  const problem = balanceProblem(account, amount);
  if (problem !== undefined) throw new LedgerConflict(problem);
  const after = { ...account, balance: account.balance + amount };
  const facts = { account: accountId, amount: formatMicros(amount), reference };
  const corrected = { kind: 'account.adjusted', ...facts, balance: formatMicros(after.balance) } as const;
  const record: RecordFacts = { ...by, ...(kind === 'credit' ? { kind: 'account.credited', ...facts } : corrected) };
  const drafts = draftRecords(tables, now, [record]);
  tables.references.put(referenceKey, { amount, of: { account: accountId } });
  tables.accounts.put(accountId, after);
  writeDrafts(tables, drafts);
  return { account: after, replayed: false };
}

function put(tables: Tables, account: Account, { now, facts }: { now: number; facts: RecordFacts }): void {
  const drafts = draftRecords(tables, now, [facts]);
  tables.accounts.put(account.id, account);
  writeDrafts(tables, drafts);
}
