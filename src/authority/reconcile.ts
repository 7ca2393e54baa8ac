import type { Calendar } from '../domain/calendar.ts';
import { accountHolder } from '../domain/limits.ts';
import { formatMicros } from '../domain/money.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import type { CounterSum } from './call-sums.ts';
import { readLines } from './export-journal.ts';
import { createJournalSums, type JournalSums } from './journal-sums.ts';
import { counterKey, type LedgerPicture, readPicture } from './ledger-picture.ts';

/** Where ledger and journal disagree. Money as decimal strings, calls as numbers. */
export interface Difference {
  /** Such as `account acme balance` or `key:AbCd1234 budget day spent`. */
  readonly what: string;
  readonly ledger: string | number;
  readonly journal: string | number;
  /** Ledger less journal. */
  readonly difference: string | number;
}

export interface Reconciled {
  readonly ok: boolean;
  /** Records of the journal that were added up. */
  readonly records: number;
  readonly compared: { readonly accounts: number; readonly limits: number; readonly holds: number };
  readonly differences: readonly Difference[];
  /** Calls that run now, and what they hold. */
  readonly running: { readonly calls: number; readonly held: string };
  readonly notCompared: readonly { readonly what: string; readonly why: string }[];
}

/** How often a ledger that is in use is looked at, until nothing that differs or was in use meanwhile is left. */
const looksMax = 4;

/**
 * Rebuilds every balance and every limit's current window from the journal and compares them with what the ledger holds (I8). Gateways may
 * go on: what they use at that very moment is looked at again, and in the end named as not compared. Writes nothing but what reading the journal
 * takes.
 */
export async function reconcile({ store, clock, calendar }: { store: Store; clock: Clock; calendar: Calendar }): Promise<Reconciled> {
  const at = clock.now();
  let before = await store.journal.head();
  let picture = await readPicture(store, { calendar, at });
  const sums = createJournalSums(picture.limits.values(), calendar);
  let position = await addUp(store, sums, { after: 0, through: before });
  let last: Comparison | undefined;
  for (let looks = 1; ; looks += 1) {
    sums.begin();
    position = await addUp(store, sums, { after: position, through: await store.journal.head() });
    const found = compare(picture, sums);
    // A lease that is taken or closed leaves no record, so what differs must differ twice.
    const settled = found.busy.length === 0 && (found.differences.length === 0 || isSame(found, last));
    if (settled || looks === looksMax) return reportOf(found, { picture, sums, last, settled });
    last = found;
    before = await store.journal.head();
    position = await addUp(store, sums, { after: position, through: before });
    picture = await readPicture(store, { calendar, at });
  }
}

async function addUp({ journal }: Store, sums: JournalSums, { after, through }: { after: number; through: number }): Promise<number> {
  let position = after;
  for await (const line of readLines(journal, { after, through })) {
    sums.take(line.position, line.text);
    position = line.position;
  }
  return position;
}

interface Comparison {
  readonly differences: readonly Difference[];
  readonly busy: readonly string[];
  readonly notCompared: Reconciled['notCompared'];
  readonly compared: Reconciled['compared'];
}

function compare(picture: LedgerPicture, sums: JournalSums): Comparison {
  const differences: Difference[] = [];
  const busy: string[] = [];
  const notCompared: { what: string; why: string }[] = [];
  const compared = { accounts: 0, limits: 0, holds: 0 };
  const differ = (
    what: string,
    unit: 'micros' | 'calls',
    { ledger, low, high = low }: { ledger: number; low: number; high?: number },
  ): void => {
    if (ledger >= low && ledger <= high) return;
    const show = (amount: number) => (unit === 'micros' ? formatMicros(amount) : amount);
    const nearest = ledger < low ? low : high;
    differences.push({ what, ledger: show(ledger), journal: show(nearest), difference: show(ledger - nearest) });
  };
  for (const id of new Set([...picture.accounts.keys(), ...sums.accounts.keys()])) {
    const what = `account ${id}`;
    const ledger = picture.accounts.get(id);
    const journal = sums.accounts.get(id);
    if (sums.touched.has(accountHolder(id))) busy.push(what);
    else if (!journal?.known && (ledger?.createdAt ?? 0) < sums.completeFrom) notCompared.push({ what, why: pruned });
    else {
      compared.accounts += 1;
      differ(`${what} balance`, 'micros', { ledger: ledger?.balance ?? 0, low: journal?.balance ?? 0 });
      differ(`${what} held`, 'micros', { ledger: ledger?.held ?? 0, low: journal?.held ?? 0 });
    }
  }
  for (const limit of picture.limits.values()) {
    const sum = sums.counters.get(counterKey(limit));
    const what = limit.limitName;
    if (sums.touched.has(limit.holder)) busy.push(what);
    else if (!sum || sum.changedLate) notCompared.push({ what, why: 'it was changed while it was compared' });
    else if (Math.max(limit.start, limit.since) < sums.completeFrom) notCompared.push({ what, why: pruned });
    else {
      compared.limits += 1;
      differ(`${what} spent`, limit.unit, { ledger: limit.spent, ...expectedOf(sum) });
      if (limit.unit === 'micros') differ(`${what} held`, 'micros', { ledger: limit.held, low: sum.held });
    }
  }
  for (const id of new Set([...picture.holds.keys(), ...sums.running.keys()])) {
    if (sums.touched.has(id)) continue;
    const [ledger, journal] = [picture.holds.get(id), sums.running.get(id)];
    compared.holds += 1;
    if (ledger !== undefined && journal !== undefined) differ(`call ${id} held`, 'micros', { ledger, low: journal });
    else differ(`call ${id} running`, 'calls', { ledger: ledger === undefined ? 0 : 1, low: journal === undefined ? 0 : 1 });
  }
  if (picture.totals > 0) {
    notCompared.push({ what: `${picture.totals} running totals of arguments`, why: 'the journal does not hold the arguments' });
  }
  return { differences, busy, notCompared, compared };
}

const pruned = 'the records of its beginning were pruned';

/**
 * A limit that nothing is said of has stood since its key was made: keys are minted without naming their limits in the journal. Where it is
 * said that one came to be later, what was spent before may count or not.
 */
function expectedOf({ spent, doubtful, stated }: CounterSum): { low: number; high: number } {
  const high = spent + doubtful;
  return { low: stated ? spent : high, high };
}

function isSame(found: Comparison, last: Comparison | undefined): boolean {
  return JSON.stringify(found.differences) === JSON.stringify(last?.differences);
}

function reportOf(
  found: Comparison,
  { picture, sums, last, settled }: { picture: LedgerPicture; sums: JournalSums; last: Comparison | undefined; settled: boolean },
): Reconciled {
  // In a ledger that is in use all the time, what differed only once may be no difference.
  const before = new Set(last?.differences.map(({ what }) => what));
  const differences = settled ? found.differences : found.differences.filter(({ what }) => before.has(what));
  const held = [...picture.holds.values()].reduce((sum, price) => sum + price, 0);
  const busy = found.busy.map((what) => ({ what, why: 'it was in use all the time' }));
  return {
    ok: differences.length === 0,
    records: sums.records,
    compared: found.compared,
    differences,
    running: { calls: picture.holds.size, held: formatMicros(held) },
    notCompared: [...found.notCompared, ...busy],
  };
}
