import { formatMicros, parseMicros } from '../domain/money.ts';
import type { RecordFacts } from '../domain/record.ts';
import type { Actor } from '../ports/keyring.ts';
import { type Account, LedgerConflict } from '../ports/ledger.ts';
import type { Authority } from './authority.ts';
import { identifierSchema, lineSchema } from './mint-request.ts';
import { Conflict, NotFound, type RequestProblem, RequestProblems } from './problems.ts';
import { timeText } from './view.ts';

/** An account as people and programs see it. Amounts are decimal strings. */
export interface AccountView {
  readonly id: string;
  readonly balance: string;
  readonly held: string;
  /** What new calls may still take: the balance less what running calls hold. */
  readonly available: string;
  readonly createdAt: string;
}

/** Opens an account with a balance of nothing. @throws RequestProblems, Conflict where it exists */
export async function createAccount(authority: Authority, id: string, by: Actor): Promise<AccountView> {
  const problems = problemsOf('id', identifierSchema.safeParse(id));
  if (problems.length > 0) throw new RequestProblems(problems);
  if (authority.ledger.account(id) !== undefined) throw new Conflict(`The account "${id}" exists already.`);
  const facts = actFacts('account.created', id, by);
  return viewAccount(await authority.ledger.createAccount({ id, now: authority.clock.now(), by: facts }).catch(rethrowConflict));
}

/** @throws NotFound */
export function showAccount(authority: Authority, id: string): AccountView {
  return viewAccount(findAccount(authority, id));
}

/**
 * Adds money. The same reference with the same amount again changes nothing.
 * @param options.amount decimal string, more than 0, at most six places
 * @param options.reference the payment's own name, 1 to 128 characters
 * @throws RequestProblems, NotFound, Conflict where the reference was used with another amount, or the balance would pass its bound
 */
export async function creditAccount(
  authority: Authority,
  options: { accountId: string; amount: string; reference: string; by: Actor },
): Promise<{ account: AccountView; replayed: boolean }> {
  const { accountId, amount, reference, by } = options;
  const problems = problemsOf('reference', lineSchema(128).safeParse(reference));
  const micros = parseMicros(amount);
  if (micros === undefined || micros === 0) {
    problems.push({ path: 'amount', message: 'must be a decimal string with at most 6 places, more than 0, at most 1000000000' });
  }
  if (problems.length > 0 || micros === undefined) throw new RequestProblems(problems);

  findAccount(authority, accountId);
  const facts = { ...actFacts('account.credited', accountId, by), amount: formatMicros(micros), reference };
  const { account, replayed } = await authority.ledger
    .credit({ accountId, amount: micros, reference, now: authority.clock.now(), by: facts })
    .catch(rethrowConflict);
  return { account: viewAccount(account), replayed };
}

/** The ledger alone can judge conflicts without a race. */
function rethrowConflict(error: unknown): never {
  throw error instanceof LedgerConflict ? new Conflict(error.message) : error;
}

function findAccount(authority: Authority, id: string): Account {
  const account = identifierSchema.safeParse(id).success ? authority.ledger.account(id) : undefined;
  if (account === undefined) throw new NotFound('There is no account with this id.');
  return account;
}

function viewAccount(account: Account): AccountView {
  return {
    id: account.id,
    balance: formatMicros(account.balance),
    held: formatMicros(account.held),
    available: formatMicros(account.balance - account.held),
    createdAt: timeText(account.createdAt),
  };
}

function actFacts(kind: RecordFacts['kind'], account: string, by: Actor): RecordFacts {
  return { kind, account, via: by.via, ...(by.keyId === undefined ? {} : { byKeyId: by.keyId }) };
}

function problemsOf(path: string, result: { success: boolean; error?: { issues: { message: string }[] } | undefined }): RequestProblem[] {
  return (result.error?.issues ?? []).map((issue) => ({ path, message: issue.message }));
}
