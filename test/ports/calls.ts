import type { Budget, Cap, KeyRecord, Per } from '../../src/domain/key.ts';
import { rootOf } from '../../src/domain/key.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import type { AdmitRequest, AdmitResult, SettleRequest } from '../../src/ports/ledger.ts';
import { admitRequest, micros, outcomeFacts, recordsOf, type Subject, testKey } from './subject.ts';

const by = { kind: 'account.created' } as const;

/** Calls on a subject, numbered r1, r2 and so on, as the suites make them. */
export interface Calls {
  minted(id: string, changes?: Partial<KeyRecord>): Promise<KeyRecord>;
  /** Creates an account with this balance, in micro-units. */
  funded(id: string, balance: number, limits?: { budgets?: readonly Budget[]; caps?: readonly Cap[] }): Promise<void>;
  admit(key: KeyRecord, price?: number, changes?: Partial<AdmitRequest>): Promise<AdmitResult>;
  /** Admits and settles with the whole price. */
  spend(key: KeyRecord, price: number, changes?: Partial<AdmitRequest>): Promise<void>;
  settle(key: KeyRecord, reservationId: string, charge?: number, changes?: Partial<SettleRequest>): Promise<void>;
  /** Spent and held of each limit, by name. */
  usage(key: KeyRecord, ancestors?: readonly KeyRecord[]): Promise<Record<string, readonly [spent: number, held: number]>>;
  thresholds(): Promise<JournalRecord[]>;
  /** The last record of a call. */
  last(reservationId: string): Promise<JournalRecord | undefined>;
}

export function callsOn(subject: Subject): Calls {
  const { ledger, keyring, journal, clock } = subject;
  let count = 0;
  const calls: Calls = {
    minted: async (id, changes = {}) => {
      const key = testKey(id, changes);
      await keyring.insert(key, { via: 'cli' });
      return key;
    },
    funded: async (id, balance, limits = {}) => {
      await ledger.createAccount({ id, ...limits, now: clock.now(), by });
      if (balance > 0) await ledger.credit({ accountId: id, amount: micros(balance), reference: 'first', now: clock.now(), by });
    },
    admit: (key, price = 0, changes = {}) => {
      count += 1;
      return ledger.admit(admitRequest(key, { reservationId: `r${count}`, price: micros(price), now: clock.now(), ...changes }));
    },
    spend: async (key, price, changes = {}) => {
      const answer = await calls.admit(key, price, changes);
      if (answer.kind !== 'admitted') throw new Error(`The call was ${answer.kind}.`);
      await calls.settle(key, answer.reservationId, price);
    },
    settle: (key, reservationId, charge = 0, changes = {}) => {
      const outcome = { ...outcomeFacts, keyId: key.id };
      return ledger.settle({ root: rootOf(key), reservationId, charge: micros(charge), now: clock.now(), outcome, ...changes });
    },
    usage: async (key, ancestors = []) => {
      const lines = await ledger.usage({ key, ancestors, now: clock.now() });
      return Object.fromEntries(lines.map(({ limitName, spent, held }) => [limitName, [spent, held] as const]));
    },
    thresholds: async () => (await recordsOf(journal)).filter(({ kind }) => kind === 'limit.threshold'),
    last: async (reservationId) => (await recordsOf(journal)).findLast((record) => record.reservationId === reservationId),
  };
  return calls;
}

export function budget(amount: number, per: Per = 'total', more: Partial<Budget> = {}): Budget {
  return { amount: micros(amount), per, zone: 'UTC', ...more };
}

export function cap(calls: number, per: Per = 'total', more: Partial<Cap> = {}): Cap {
  return { calls, per, zone: 'UTC', ...more };
}
