import type { Tables } from '../../src/adapters/lmdb/tables.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import type { Ledger } from '../../src/ports/ledger.ts';

/** The gateway with one of its safeguards taken out: the simulation must notice each. */
export const mutants = ['no settle', 'no release', 'no intent', 'no limit check', 'no revocation check'] as const;
export type Mutant = (typeof mutants)[number];

export function mutateTables(tables: Tables, mutant: Mutant | undefined): Tables {
  if (mutant === 'no intent') {
    const put: Tables['journal']['put'] = (key, text) =>
      text.includes('"kind":"call.intent"') ? undefined : tables.journal.put(key, text);
    return { ...tables, journal: { ...tables.journal, put } };
  }
  if (mutant === 'no limit check') return { ...tables, counters: { ...tables.counters, get: () => undefined } };
  if (mutant === 'no revocation check') {
    const living = new Map<string, KeyRecord>();
    const readKey = (id: string): KeyRecord | undefined => {
      const record = tables.readKey(id);
      if (record && record.revokedAt === undefined) living.set(id, record);
      return living.get(id) ?? record;
    };
    return { ...tables, readKey };
  }
  return tables;
}

export function mutateLedger(ledger: Ledger, mutant: Mutant | undefined): Ledger {
  if (mutant === 'no settle') return { ...ledger, settle: async () => undefined };
  if (mutant !== 'no release') return ledger;
  const prices = new Map<string, number>();
  return {
    ...ledger,
    admit(request) {
      prices.set(request.reservationId, request.price);
      return ledger.admit(request);
    },
    settle: ({ released, ...request }) =>
      ledger.settle(released ? { ...request, charge: (prices.get(request.reservationId) ?? 0) as typeof request.charge } : request),
  };
}
