import { createHash } from 'node:crypto';
import { balanceProblem, checkAccountId, checkBalanceChange, referenceProblem } from '../../domain/account-change.ts';
import type { LedgerRoot } from '../../domain/key.ts';
import { accountHolder } from '../../domain/limits.ts';
import { formatMicros, microsMax } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';
import { type Account, type Ledger, LedgerConflict } from '../../ports/ledger.ts';
import type { Connection, Script } from './connection.ts';
import { entryArguments } from './key-entry.ts';
import { parseLimits } from './known-accounts.ts';
import { inPartition, partitionOf, prefixOf } from './layout.ts';

interface AccountStore {
  readonly connection: Connection;
  readonly scripts: { readonly put: Script; readonly change: Script };
  /** A name for one write, never used twice by any process. */
  readonly nextName: () => string;
}

/** How often a change of limits is decided again because somebody else changed them in the meantime. */
const triesMax = 50;

/** Creates an account with balance 0. @throws Error for a malformed id, LedgerConflict for a taken one */
export async function createAccount(
  store: AccountStore,
  { id, budgets = [], caps = [], now, by }: Parameters<Ledger['createAccount']>[0],
): Promise<Account> {
  checkAccountId(id);
  const account: Account = { id, balance: 0, held: 0, createdAt: now, budgets, caps, revision: 1 };
  const entry = entryArguments({ ...by, kind: 'account.created', account: id }, now);
  if (!(await put(store, account, entry))) throw new LedgerConflict(`Account ${id} exists already.`);
  return account;
}

export async function readAccount({ client }: Connection, id: string): Promise<Account | undefined> {
  const { balance, held, created, limits, rev } = await client.hgetall(inPartition.account(partitionOfAccount(id), id));
  return rev === undefined ? undefined : accountFrom(id, { balance, held, created, limits, rev });
}

/** Replaces the limits that are given; undefined where there is no such account. */
export async function limitAccount(
  store: AccountStore,
  { id, budgets, caps, now, by }: Parameters<Ledger['limitAccount']>[0],
): Promise<Account | undefined> {
  const limits = { ...(budgets && { budgets }), ...(caps && { caps }) };
  const changed = Object.keys(limits).sort();
  for (let tries = 0; tries < triesMax; tries += 1) {
    const account = await readAccount(store.connection, id);
    if (!account || changed.length === 0) return account;
    const after: Account = { ...account, ...limits, revision: account.revision + 1 };
    const facts: RecordFacts = { ...by, kind: 'account.limited', account: id, changed, revision: after.revision };
    if (await put(store, after, entryArguments(facts, now))) return after;
  }
  throw new Error(`The limits of account ${id} are being changed too often to be changed now. Try again.`);
}

/** False where another revision stands than the one before this. */
async function put({ connection, scripts, nextName }: AccountStore, account: Account, entry: readonly string[]): Promise<boolean> {
  const { id, budgets, caps, revision } = account;
  const args = [id, String(revision - 1), JSON.stringify({ budgets, caps }), nextName(), ...entry];
  return (await connection.run(scripts.put, [prefixOf(partitionOfAccount(id))], args)) === 'ok';
}

/**
 * Adds to a balance or takes from it, once per reference.
 * @throws Error where the account is unknown or the amount is none of the kind; LedgerConflict where the reference was used for
 *   another amount, or the balance has no room for it
 */
export async function changeBalance(
  { connection, scripts }: AccountStore,
  options: { accountId: string; amount: number; reference: string; now: number; by: RecordFacts; kind: 'credit' | 'adjustment' },
): Promise<{ account: Account; replayed: boolean }> {
  const { accountId, amount, reference, now, by, kind } = options;
  checkBalanceChange({ amount, reference, kind });
  // References are the caller's own text of any length, so they are kept by their hash.
  const hash = createHash('sha256').update(`${accountId}\n${reference}`).digest('hex');
  const adjusts = kind === 'adjustment';
  const act = adjusts ? 'account.adjusted' : 'account.credited';
  const entry = entryArguments({ ...by, kind: act, account: accountId, amount: formatMicros(amount), reference }, now);
  const args = [accountId, String(amount), hash, String(microsMax), ...entry, adjusts ? '1' : '0'];
  const answer = (await connection.run(scripts.change, [prefixOf(partitionOfAccount(accountId))], args)) as string[];
  const [what, balance, held, created, rev, limits, before] = answer;
  if (what === 'missing') throw new Error(`There is no account ${accountId}.`);
  if (what === 'used') throw new LedgerConflict(referenceProblem(Number(before)));
  const account = accountFrom(accountId, { balance, held, created, rev, limits });
  if (what === 'refused') throw new LedgerConflict(balanceProblem(account, amount) ?? 'The balance cannot change by that amount.');
  const replayed = what === 'replayed';
  return { account: replayed ? account : { ...account, balance: account.balance + amount }, replayed };
}

function partitionOfAccount(id: string): string {
  return partitionOf(accountHolder(id) as LedgerRoot);
}

function accountFrom(id: string, stored: { [name in 'balance' | 'held' | 'created' | 'limits' | 'rev']: string | undefined }): Account {
  const { balance, held, created, limits = '', rev } = stored;
  return { id, balance: Number(balance), held: Number(held), createdAt: Number(created), ...parseLimits(limits), revision: Number(rev) };
}
