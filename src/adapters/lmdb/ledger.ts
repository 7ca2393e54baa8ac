import { createHash } from 'node:crypto';
import type { Calendar } from '../../domain/calendar.ts';
import { createKnownPlans } from '../../domain/known-plans.ts';
import type { RecordFacts } from '../../domain/record.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger, LimitBreach } from '../../ports/ledger.ts';
import { changeBalance, createAccount, limitAccount } from './accounts.ts';
import { admit, type LedgerTerms } from './admit.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { openBooks } from './books.ts';
import { dueKey } from './reservation.ts';
import { renew, settle } from './settle.ts';
import { captureHolds, orphanedHolds, sweepBatchMax, sweepDue } from './sweep.ts';
import type { Tables } from './tables.ts';
import { judgeLimits } from './take.ts';
import { usage } from './usage.ts';

/** The ledger port on LMDB: each act is one commit. */
export function createLedger({
  tables,
  clock,
  calendar,
  ...given
}: { tables: Tables; clock: Clock; calendar: Calendar } & Omit<LedgerTerms, 'plans'>): Ledger {
  const terms: LedgerTerms = { ...given, plans: createKnownPlans(calendar) };
  const read = async <T>(look: () => T): Promise<T> => {
    await tables.readable();
    return look();
  };
  return {
    admit: (request) => tables.commit(() => admit(tables, terms, request), { ahead: true }),
    preview: (request) => read(() => preview(tables, terms, request)),
    // The client has its answer, so a settle may share the commit of the next admit (ADR 0016).
    settle: (request) => tables.commit(() => settle(tables, terms, request), { patient: true, ahead: true }),
    renew: (request) => tables.commit(() => renew(tables, request), { ahead: true }),
    record: (facts) => tables.commit(() => recordFacts(tables, clock.now(), facts), { ahead: true }),
    useOnce: (once) => tables.commit(() => useOnce(tables, once)),
    remembers: async (ids) => ids.map((id) => tables.once.doesExist(onceHash(id))),
    sweep: (request) => sweep(tables, terms, request),
    createAccount: (request) => tables.commit(() => createAccount(tables, request)),
    account: (id) => read(() => tables.accounts.get(id)),
    limitAccount: (request) => tables.commit(() => limitAccount(tables, request)),
    credit: (request) => tables.commit(() => changeBalance(tables, { ...request, kind: 'credit' })),
    adjust: (request) => tables.commit(() => changeBalance(tables, { ...request, kind: 'adjustment' })),
    usage: (request) => read(() => usage(tables, calendar, request)),
  };
}

function preview(tables: Tables, { plans }: LedgerTerms, request: Parameters<Ledger['preview']>[0]): LimitBreach | undefined {
  const { key, ancestors } = request;
  const judged = judgeLimits(openBooks(tables, []), { plans, call: request, keys: [key, ...ancestors] });
  return 'breach' in judged ? judged.breach : undefined;
}

function recordFacts(tables: Tables, now: number, facts: RecordFacts): void {
  writeDrafts(tables, draftRecords(tables, now, [facts]));
}

/** Ids are kept by their hash, because they may be any text of any length. */
function onceHash(id: string): string {
  return createHash('sha256').update(id).digest('hex');
}

function useOnce(tables: Tables, { id, until }: { id: string; until: number }): boolean {
  if (!Number.isFinite(until)) throw new Error('A one-time id needs a time to be forgotten at.');
  const hash = onceHash(id);
  if (tables.once.doesExist(hash)) return false;
  tables.once.put(hash, until);
  tables.due.put(dueKey(until, 'once', hash), true);
  return true;
}

/** Works in batches, so that calls get the write lock in between. */
async function sweep(tables: Tables, terms: LedgerTerms, { now, orphaned }: Parameters<Ledger['sweep']>[0]): Promise<number> {
  if (!Number.isFinite(now)) throw new Error('A sweep needs the time.');
  const { thresholds } = terms;
  let captured = 0;
  const orphans = orphaned ? orphanedHolds(tables, orphaned) : [];
  for (let from = 0; from < orphans.length; from += sweepBatchMax) {
    const batch = orphans.slice(from, from + sweepBatchMax);
    captured += await tables.commit(() => captureHolds(tables, batch, { thresholds, now }));
  }
  for (let more = true; more; ) {
    const result = await tables.commit(() => sweepDue(tables, { thresholds, now }));
    captured += result.captured;
    more = result.more;
  }
  return captured;
}
