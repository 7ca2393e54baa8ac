import { createHash } from 'node:crypto';
import { formatMicros, type Micros, microsMax } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { type Account, LedgerConflict } from '../../ports/ledger.ts';
import { draftRecords, writeDrafts } from './append.ts';
import type { Tables } from './tables.ts';

const idPattern = /^[A-Za-z0-9._:-]{1,64}$/;

/** Creates an account with balance 0, to be run inside one commit. @throws Error for a malformed id, LedgerConflict for a taken one */
export function createAccount(tables: Tables, { id, now, by }: { id: string; now: number; by: RecordFacts }): Account {
  if (!idPattern.test(id)) throw new Error('An account id is 1 to 64 characters of A-Z a-z 0-9 . _ : and -.');
  if (tables.accounts.doesExist(id)) throw new LedgerConflict(`Account ${id} exists already.`);
  const account: Account = { id, balance: 0, held: 0, createdAt: now };
  const drafts = draftRecords(tables, now, [{ ...by, kind: 'account.created', account: id }]);
  tables.accounts.put(id, account);
  writeDrafts(tables, drafts);
  return account;
}

/**
 * Adds to a balance, once per reference, to be run inside one commit.
 * @throws Error where the account is unknown or the amount is not positive; LedgerConflict where the reference was used for
 *   another amount or the balance would pass one billion units
 */
export function creditAccount(
  tables: Tables,
  options: { accountId: string; amount: Micros; reference: string; now: number; by: RecordFacts },
): { account: Account; replayed: boolean } {
  const { accountId, amount, reference, now, by } = options;
  const account = tables.accounts.get(accountId);
  if (!account) throw new Error(`There is no account ${accountId}.`);
  if (!Number.isSafeInteger(amount) || amount <= 0) throw new Error('A credit is a positive amount.');
  if (reference === '') throw new Error('A credit needs a reference, so that sending it twice credits it once.');
  // References are the caller's own text of any length, so they are kept by their hash.
  const referenceKey = createHash('sha256').update(`${accountId}\n${reference}`).digest('hex');
  const before = tables.references.get(referenceKey);
  if (before === amount) return { account, replayed: true };
  if (before !== undefined) throw new LedgerConflict(`The reference was used before, for ${formatMicros(before)}.`);
  const balance = account.balance + amount;
  if (balance > microsMax) {
    throw new LedgerConflict(`The balance would be ${formatMicros(balance)}; the largest is ${formatMicros(microsMax)}.`);
  }
  const after = { ...account, balance };
  const facts = { ...by, kind: 'account.credited', account: accountId, amount: formatMicros(amount), reference } as const;
  const drafts = draftRecords(tables, now, [facts]);
  tables.references.put(referenceKey, amount);
  tables.accounts.put(accountId, after);
  writeDrafts(tables, drafts);
  return { account: after, replayed: false };
}
