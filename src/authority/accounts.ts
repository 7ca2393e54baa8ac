import type { Budget, Cap } from '../domain/key.ts';
import { formatMicros, type Micros, parseMicros } from '../domain/money.ts';
import type { RecordFacts } from '../domain/record.ts';
import type { Actor } from '../ports/keyring.ts';
import { type Account, LedgerConflict } from '../ports/ledger.ts';
import type { Authority } from './authority.ts';
import { limitsOf } from './compose-record.ts';
import { judgeRepeats } from './judge-mint.ts';
import { type AccountLimitsRequest, accountLimitsSchema, identifierSchema, lineSchema } from './mint-request.ts';
import { Conflict, NotFound, parseRequest, type RequestProblem, RequestProblems } from './problems.ts';
import { type BudgetView, type CapView, limitTexts, timeText, viewLimits } from './view.ts';

/** An account as people and programs see it. Amounts are decimal strings. */
export interface AccountView {
  readonly id: string;
  readonly balance: string;
  readonly held: string;
  /** What new calls may still take: the balance less what running calls hold. */
  readonly available: string;
  /** Limits on what its live keys take together, besides the balance. */
  readonly budgets: readonly BudgetView[];
  readonly caps: readonly CapView[];
  readonly createdAt: string;
}

/**
 * Opens an account with a balance of nothing.
 * @param limits on what its live keys take together; none unless given
 * @throws RequestProblems, Conflict where it exists
 */
export async function createAccount(authority: Authority, id: string, by: Actor, limits: AccountLimitsRequest = {}): Promise<AccountView> {
  const problems = problemsOf('id', identifierSchema.safeParse(id));
  if (problems.length > 0) throw new RequestProblems(problems);
  if ((await authority.ledger.account(id)) !== undefined) throw new Conflict(`The account "${id}" exists already.`);
  const { given, texts } = readLimits(limits);
  const facts = { ...actFacts('account.created', id, by), ...texts };
  return viewAccount(await authority.ledger.createAccount({ id, ...given, now: authority.clock.now(), by: facts }).catch(rethrowConflict));
}

/**
 * Replaces the budgets of an account, or its caps, or both; the next call is judged by them.
 * @throws RequestProblems, NotFound
 */
export async function limitAccount(
  authority: Authority,
  options: { accountId: string; limits: AccountLimitsRequest; by: Actor },
): Promise<AccountView> {
  const { accountId, limits, by } = options;
  const { given, texts } = readLimits(limits);
  if (Object.keys(given).length === 0) throw new RequestProblems([{ path: '', message: 'names nothing to change' }]);
  await findAccount(authority, accountId);
  const facts = { ...actFacts('account.limited', accountId, by), ...texts };
  const account = await authority.ledger.limitAccount({ id: accountId, ...given, now: authority.clock.now(), by: facts });
  if (account === undefined) throw new NotFound(unknownAccount);
  return viewAccount(account);
}

/** What is given and nothing else, as the ledger keeps it and as the journal names it. @throws RequestProblems */
function readLimits(request: AccountLimitsRequest): {
  given: { budgets?: readonly Budget[]; caps?: readonly Cap[] };
  texts: { budgets?: string[]; caps?: string[] };
} {
  const { budgets, caps } = parseRequest(accountLimitsSchema, request);
  const terms = { budgets: budgets ?? [], caps: caps ?? [] };
  const problems: RequestProblem[] = [];
  judgeRepeats(terms, problems);
  if (problems.length > 0) throw new RequestProblems(problems);
  const limits = limitsOf(terms);
  const texts = limitTexts(limits);
  return {
    given: { ...(budgets && { budgets: limits.budgets }), ...(caps && { caps: limits.caps }) },
    texts: { ...(budgets && { budgets: texts.budgets }), ...(caps && { caps: texts.caps }) },
  };
}

/** @throws NotFound */
export async function showAccount(authority: Authority, id: string): Promise<AccountView> {
  return viewAccount(await findAccount(authority, id));
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

  await findAccount(authority, accountId);
  const facts = { ...actFacts('account.credited', accountId, by), amount: formatMicros(micros), reference };
  const { account, replayed } = await authority.ledger
    .credit({ accountId, amount: micros, reference, now: authority.clock.now(), by: facts })
    .catch(rethrowConflict);
  return { account: viewAccount(account), replayed };
}

/**
 * Corrects a balance by hand, once for each reference; a reference serves one credit or one adjustment.
 * @param options.amount decimal string with at most six places, not 0; a negative one takes away
 * @param options.reason for the journal, 1 to 200 characters
 * @throws RequestProblems, NotFound, Conflict as creditAccount does, and where there is not as much to take
 */
export async function adjustAccount(
  authority: Authority,
  options: { accountId: string; amount: string; reference: string; reason: string; by: Actor },
): Promise<{ account: AccountView; replayed: boolean }> {
  const { accountId, amount, reference, reason, by } = options;
  const problems = [
    ...problemsOf('reference', lineSchema(128).safeParse(reference)),
    ...problemsOf('reason', lineSchema(200).safeParse(reason)),
  ];
  const micros = parseSigned(amount);
  if (micros === undefined) {
    problems.push({ path: 'amount', message: 'must be a decimal string with at most 6 places, from -1000000000 to 1000000000, not 0' });
  }
  if (problems.length > 0 || micros === undefined) throw new RequestProblems(problems);

  await findAccount(authority, accountId);
  const facts = { ...actFacts('account.adjusted', accountId, by), amount: formatMicros(micros), reference, reason };
  const { account, replayed } = await authority.ledger
    .adjust({ accountId, amount: micros, reference, now: authority.clock.now(), by: facts })
    .catch(rethrowConflict);
  return { account: viewAccount(account), replayed };
}

/** Undefined for anything but an amount other than nothing; `-0` is nothing too. */
function parseSigned(text: string): number | undefined {
  const micros: Micros | undefined = parseMicros(text.replace(/^-/, ''));
  if (micros === undefined || micros === 0) return undefined;
  return text.startsWith('-') ? -micros : micros;
}

/** The ledger alone can judge conflicts without a race. */
function rethrowConflict(error: unknown): never {
  throw error instanceof LedgerConflict ? new Conflict(error.message) : error;
}

async function findAccount(authority: Authority, id: string): Promise<Account> {
  const account = identifierSchema.safeParse(id).success ? await authority.ledger.account(id) : undefined;
  if (account === undefined) throw new NotFound(unknownAccount);
  return account;
}

const unknownAccount = 'There is no account with this id.';

function viewAccount(account: Account): AccountView {
  return {
    id: account.id,
    balance: formatMicros(account.balance),
    held: formatMicros(account.held),
    available: formatMicros(account.balance - account.held),
    ...viewLimits(account),
    createdAt: timeText(account.createdAt),
  };
}

function actFacts(kind: RecordFacts['kind'], account: string, by: Actor): RecordFacts {
  return { kind, account, via: by.via, ...(by.keyId === undefined ? {} : { byKeyId: by.keyId }) };
}

function problemsOf(path: string, result: { success: boolean; error?: { issues: { message: string }[] } | undefined }): RequestProblem[] {
  return (result.error?.issues ?? []).map((issue) => ({ path, message: issue.message }));
}
