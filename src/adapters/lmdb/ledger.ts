import { createHash } from 'node:crypto';
import type { Calendar } from '../../domain/calendar.ts';
import { standingAt } from '../../domain/counters.ts';
import { limitsOf } from '../../domain/limits.ts';
import type { RecordFacts } from '../../domain/record.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Ledger, LimitBreach, UsageLine } from '../../ports/ledger.ts';
import { createAccount, creditAccount } from './accounts.ts';
import { admit } from './admit.ts';
import { draftRecords, writeDrafts } from './append.ts';
import { dueKey } from './reservation.ts';
import { renew, settle } from './settle.ts';
import { captureHolds, orphanedHolds, sweepBatchMax, sweepDue } from './sweep.ts';
import { commit, type Tables } from './tables.ts';
import { take } from './take.ts';
import { checkTotals, totalLines } from './totals.ts';

/** The ledger port on LMDB: each act is one commit. `instance` owns the holds that this process life takes. */
export function createLedger(options: { tables: Tables; clock: Clock; calendar: Calendar; instance: string }): Ledger {
  const { tables, clock, calendar, instance } = options;
  return {
    admit: (request) => commit(tables, () => admit(tables, { calendar, owner: instance }, request)),
    preview: (request) => preview(tables, calendar, request),
    settle: (request) => commit(tables, () => settle(tables, request)),
    renew: (request) => commit(tables, () => renew(tables, request)),
    record: (facts) => commit(tables, () => recordFacts(tables, clock.now(), facts)),
    useOnce: (once) => commit(tables, () => useOnce(tables, once)),
    sweep: (request) => sweep(tables, request),
    createAccount: (request) => commit(tables, () => createAccount(tables, request)),
    account: (id) => tables.accounts.get(id),
    credit: (request) => commit(tables, () => creditAccount(tables, request)),
    usage: (request) => usage(tables, calendar, request),
  };
}

function preview(tables: Tables, calendar: Calendar, request: Parameters<Ledger['preview']>[0]): LimitBreach | undefined {
  const { key, ancestors, totals = [] } = request;
  checkTotals(totals);
  const result = take(tables, { calendar, call: request, keys: [key, ...ancestors] });
  return 'breach' in result ? result.breach : undefined;
}

function recordFacts(tables: Tables, now: number, facts: RecordFacts): void {
  writeDrafts(tables, draftRecords(tables, now, [facts]));
}

/** Ids are kept by their hash, because they may be any text of any length. */
function useOnce(tables: Tables, { id, until }: { id: string; until: number }): boolean {
  if (!Number.isFinite(until)) throw new Error('A one-time id needs a time to be forgotten at.');
  const hash = createHash('sha256').update(id).digest('hex');
  if (tables.once.doesExist(hash)) return false;
  tables.once.put(hash, until);
  tables.due.put(dueKey(until, 'once', hash), true);
  return true;
}

/** Works in batches, so that calls get the write lock in between. */
async function sweep(tables: Tables, { now, orphaned }: { now: number; orphaned?: (owner: string) => boolean }): Promise<number> {
  if (!Number.isFinite(now)) throw new Error('A sweep needs the time.');
  let captured = 0;
  const orphans = orphaned ? orphanedHolds(tables, orphaned) : [];
  for (let from = 0; from < orphans.length; from += sweepBatchMax) {
    const batch = orphans.slice(from, from + sweepBatchMax);
    captured += await commit(tables, () => captureHolds(tables, batch, now));
  }
  for (let more = true; more; ) {
    const result = await commit(tables, () => sweepDue(tables, now));
    captured += result.captured;
    more = result.more;
  }
  return captured;
}

function usage(tables: Tables, calendar: Calendar, { key, ancestors, now }: Parameters<Ledger['usage']>[0]): UsageLine[] {
  const lines = [key, ...ancestors].flatMap((each) => {
    const book = tables.counters.get(each.id) ?? {};
    const own = limitsOf(each, calendar, now).map(({ limitName, unit, limit, counter, start, end }): UsageLine => {
      const { spent, held } = standingAt(book, counter, start);
      return { limitName, unit, limit, spent, held, ...(end !== undefined && { resetAt: end }) };
    });
    return [...own, ...totalLines({ book, known: tables.totals.get(each.id) ?? {} }, { calendar, keyId: each.id, now })];
  });
  const account = key.accountId === undefined ? undefined : tables.accounts.get(key.accountId);
  if (!account) return lines;
  const { id, balance, held } = account;
  return [...lines, { limitName: `account:${id} balance`, unit: 'micros', limit: balance, spent: 0, held }];
}
