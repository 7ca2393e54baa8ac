import type { Calendar } from '../domain/calendar.ts';
import { accountHolder, type Limit } from '../domain/limits.ts';
import { parseMicros } from '../domain/money.ts';
import { type AccountSum, type CallSums, type CounterSum, createCallSums, type Stated } from './call-sums.ts';
import { counterKey } from './ledger-picture.ts';
import { countersStated, listOf } from './limit-history.ts';

export interface JournalSums {
  readonly counters: ReadonlyMap<string, CounterSum>;
  readonly accounts: ReadonlyMap<string, AccountSum>;
  readonly running: CallSums['running'];
  /** Keys, `account:<id>` and reservations that the records since `begin` are about. */
  readonly touched: ReadonlySet<string>;
  /** Records before this time may be gone, ms; 0 where none are. */
  readonly completeFrom: number;
  readonly records: number;
  /** From now on records are of after a look at the ledger. */
  begin(): void;
  take(position: number, text: string): void;
}

/**
 * Adds the journal up, record by record, as the ledger must have come to be what it is. Memory grows with accounts, limits and calls that run
 * or have expired lately, and not with the journal.
 * @param limits  in the windows that are compared
 */
export function createJournalSums(limits: Iterable<Limit>, calendar: Calendar): JournalSums {
  const counters = new Map<string, CounterSum>();
  const byHolder = new Map<string, CounterSum[]>();
  for (const limit of limits) {
    const sum: CounterSum = { limit, spent: 0, doubtful: 0, held: 0, stands: undefined, stated: false, changedLate: false };
    counters.set(counterKey(limit), sum);
    byHolder.set(limit.holder, [...(byHolder.get(limit.holder) ?? []), sum]);
  }
  const countersOf = (holder: string): readonly CounterSum[] => byHolder.get(holder) ?? [];
  const accounts = new Map<string, AccountSum>();
  const accountOf = (id: string): AccountSum => {
    const sum = accounts.get(id) ?? { balance: 0, held: 0, known: false };
    accounts.set(id, sum);
    return sum;
  };
  const touched = new Set<string>();
  let completeFrom = 0;
  let records = 0;
  let looked = false;
  const touch = (...names: readonly string[]): void => {
    if (looked) for (const name of names) touched.add(name);
  };
  const calls = createCallSums({ countersOf, accountOf, touch });

  /** What a record says of limits, of which it made or changed some. */
  const state = (holder: string, record: Stated): void => {
    touch(holder);
    const { changed } = record;
    for (const sum of countersOf(holder)) {
      const list = listOf(sum.limit);
      const stated = countersStated(record, list, calendar);
      // Whatever is made without its limits being named may have had them from the beginning.
      if (Array.isArray(changed) ? !changed.includes(list) : stated === undefined) continue;
      sum.stands = stated?.has(sum.limit.counter);
      sum.stated = true;
      sum.changedLate ||= looked;
    }
  };

  const bank = (id: string, record: Stated): void => {
    const account = accountOf(id);
    const { kind } = record;
    if (kind === 'account.created' || kind === 'account.limited') state(accountHolder(id), record);
    touch(accountHolder(id));
    account.known ||= kind === 'account.created';
    account.balance += signedMicros(record['amount']) ?? 0;
    // A correction says what the balance was then, whatever is gone of the time before.
    const stated = kind === 'account.adjusted' && !account.known ? signedMicros(record['balance']) : undefined;
    if (stated === undefined) return;
    account.balance = stated;
    account.known = true;
  };

  return {
    ...{ counters, accounts, running: calls.running, touched },
    get completeFrom() {
      return completeFrom;
    },
    get records() {
      return records;
    },
    begin() {
      looked = true;
      touched.clear();
    },
    take(position, text) {
      records += 1;
      const record = parse(text);
      const { kind, reservationId, keyId, account } = record;
      const at = Date.parse(String(record['time']));
      if (records === 1 && position > 1) completeFrom = at;
      if (records % forgetEvery === 0) calls.forget(at);
      if (typeof kind !== 'string') return;
      if (kind === 'call.intent' && typeof reservationId === 'string') calls.intend(reservationId, record, at);
      else if (kind === 'call.outcome' && typeof reservationId === 'string') calls.end(reservationId, record, at);
      else if (kind === 'journal.pruned') completeFrom = Math.max(completeFrom, Date.parse(String(record['before'])) || 0);
      else if (kind.startsWith('account.') && typeof account === 'string') bank(account, record);
      else if (kind.startsWith('key.') && typeof keyId === 'string') state(keyId, record);
    },
  };
}

const forgetEvery = 1_000;

function signedMicros(value: unknown): number | undefined {
  const text = String(value);
  const micros = parseMicros(text.replace(/^-/, ''));
  return micros !== undefined && text.startsWith('-') ? -micros : micros;
}

/** What cannot be read adds nothing; verifying finds it. */
function parse(text: string): Stated {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Stated) : {};
  } catch {
    return {};
  }
}
