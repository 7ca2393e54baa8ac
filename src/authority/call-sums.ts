import { accountHolder, countsAgainst, type Limit } from '../domain/limits.ts';
import { parseMicros } from '../domain/money.ts';
import { capturedMsKept } from '../domain/reservation.ts';

/** What the journal says about one counter, in the window that is compared. */
export interface CounterSum {
  readonly limit: Limit;
  /** Of calls that were made while the limit stood. */
  spent: number;
  /** Of calls of a time for which the journal does not say whether it stood. */
  doubtful: number;
  held: number;
  /** Whether it stands, as far as the records that were read say. */
  stands: boolean | undefined;
  /** A record said that it came to be, or ended. */
  stated: boolean;
  /** Its list was changed after the ledger was looked at first. */
  changedLate: boolean;
}

/** What the journal says about one account. */
export interface AccountSum {
  balance: number;
  held: number;
  /** False where the records that made the balance are gone. */
  known: boolean;
}

/** A record as its text states it. */
export type Stated = Readonly<Record<string, unknown>>;

/** What calls took, held and were charged, as their intents and outcomes say. */
export interface CallSums {
  /** Calls without an outcome: reservation id to micro-units. */
  readonly running: ReadonlyMap<string, number>;
  intend(id: string, record: Stated, at: number): void;
  end(id: string, record: Stated, at: number): void;
  /** Drops what no outcome can correct any more. */
  forget(at: number): void;
}

interface Call {
  readonly holders: readonly string[];
  readonly payer: string | undefined;
  readonly price: number;
  readonly taken: readonly Taken[];
}

interface Taken {
  readonly sum: CounterSum;
  /** The journal says that the limit stood when the call was made. */
  readonly certain: boolean;
}

/**
 * @param options.countersOf  the counters of a key, or of an account as `account:<id>`
 * @param options.touch  told of everything that a record is about
 */
export function createCallSums(options: {
  countersOf: (holder: string) => readonly CounterSum[];
  accountOf: (id: string) => AccountSum;
  touch: (...names: readonly string[]) => void;
}): CallSums {
  const { countersOf, accountOf, touch } = options;
  const calls = new Map<string, Call>();
  const running = new Map<string, number>();
  /** Calls whose hold expired: a late outcome may correct what that charged. In order of time. */
  const expired = new Map<string, Call & { charged: number; readonly at: number }>();

  const pay = (payer: string | undefined, amount: number): void => {
    if (payer !== undefined) accountOf(payer).balance -= amount;
  };

  /** Its intent is gone, and with it what it held; what it was charged is not, unless it corrects what is gone too. */
  const endUnknown = (record: Stated, charged: number): void => {
    const payer = payerOf(record);
    if (payer === undefined) return;
    if (record['corrected'] === true) accountOf(payer).known = false;
    pay(payer, charged);
    touch(accountHolder(payer));
  };

  return {
    running,
    intend(id, record, at) {
      const { tool, parentIds, method } = record;
      const payer = payerOf(record);
      const parents = Array.isArray(parentIds) ? parentIds.map(String) : [];
      const holders = [String(record['keyId']), ...parents, ...(payer === undefined ? [] : [accountHolder(payer)])];
      const price = parseMicros(String(record['held'])) ?? 0;
      const call = { tool: typeof tool === 'string' ? tool : undefined, price };
      // As the authorize stage decides what counts.
      const counted = method === 'tools/call' || price > 0 ? holders.flatMap(countersOf) : [];
      const taken = counted
        .filter(({ limit, stands }) => stands !== false && inWindow(limit, at) && countsAgainst(limit, call))
        .map((sum) => ({ sum, certain: sum.stands === true }));
      for (const each of taken) {
        if (each.sum.limit.unit === 'calls') spend(each, 1);
        else each.sum.held += price;
      }
      if (payer !== undefined) accountOf(payer).held += price;
      calls.set(id, { holders, payer, price, taken: taken.filter(({ sum }) => sum.limit.unit === 'micros') });
      running.set(id, price);
      touch(id, ...holders);
    },
    end(id, record, at) {
      const charged = parseMicros(String(record['charged'] ?? '0')) ?? 0;
      const call = calls.get(id);
      const before = expired.get(id);
      if (call) {
        calls.delete(id);
        running.delete(id);
        for (const each of call.taken) {
          each.sum.held -= call.price;
          spend(each, charged);
        }
        if (call.payer !== undefined) accountOf(call.payer).held -= call.price;
        pay(call.payer, charged);
        if (record['status'] === 'hold-expired') expired.set(id, { ...call, charged, at });
      } else if (before) {
        for (const each of before.taken) spend(each, charged - before.charged);
        pay(before.payer, charged - before.charged);
        before.charged = charged;
      } else endUnknown(record, charged);
      touch(id, ...((call ?? before)?.holders ?? []));
    },
    forget(at) {
      for (const [id, call] of expired) {
        if (call.at + capturedMsKept >= at) return;
        expired.delete(id);
      }
    },
  };
}

/** Test keys spend test money. */
function payerOf({ account, environment }: Stated): string | undefined {
  return environment === 'live' && typeof account === 'string' ? account : undefined;
}

function inWindow({ start, end }: Limit, at: number): boolean {
  return at >= start && (end === undefined || at < end);
}

function spend({ sum, certain }: Taken, amount: number): void {
  if (certain) sum.spent += amount;
  else sum.doubtful += amount;
}
