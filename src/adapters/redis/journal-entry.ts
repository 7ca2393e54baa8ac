import { breachFacts, thresholdFacts } from '../../domain/breach-facts.ts';
import { expiredOutcome } from '../../domain/expired-outcome.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';

/**
 * What a script appends to a partition's journal is a row, one entry of the stream for all its records: in the place of field and value the time (ms)
 * of each and its facts as the gateway wrote them (JSON, or nothing), and behind them, where the script alone knew what became of the act, `m` and a
 * mark (JSON) from which the rest follows. Lua writes no money as text and builds no record.
 */
export interface Entry {
  readonly seq: number;
  readonly time: string;
  readonly facts: string;
  readonly mark: string;
}

/** The records of a row, in their order; undefined for one that no script writes. @param id  number of the first record, `-`, how many follow it */
export function entriesOfRow(id: string, fields: readonly string[]): Entry[] | undefined {
  const [, first, more] = /^([1-9][0-9]{0,15})-([0-9]{1,3})$/.exec(id) ?? [];
  const entries: Entry[] = [];
  for (let at = 0; at + 1 < fields.length; ) {
    const marked = fields[at + 2] === markField;
    entries.push({
      seq: Number(first) + entries.length,
      time: fields[at] ?? '',
      facts: fields[at + 1] ?? '',
      mark: marked ? (fields[at + 3] ?? '') : '',
    });
    at += marked ? 4 : 2;
  }
  return entries.length === Number(more) + 1 ? entries : undefined;
}

const markField = 'm';

export type Mark =
  /** A limit refused the call whose intent the facts are. Amounts in micro-units or calls. */
  | ({ readonly is: 'limited'; readonly reason: string } & Parameters<typeof breachFacts>[0])
  | { readonly is: 'dead'; readonly reason: string }
  /** The admitted call goes beyond soft limits of these names. */
  | { readonly is: 'over'; readonly names: readonly string[] }
  /** The hold of the intent expired. */
  | { readonly is: 'expired'; readonly keyId: string; readonly reservationId: string; readonly charged: number }
  /** The facts are an outcome that corrects the one before it, with the charge that had room. */
  | { readonly is: 'corrected'; readonly charged: number }
  /** The facts correct a balance, which then was this. */
  | { readonly is: 'adjusted'; readonly balance: number }
  /** A limit has come this far; there are no facts. */
  | ({ readonly is: 'threshold' } & Parameters<typeof thresholdFacts>[0]);

/** What a record says. @throws Error for an entry that no script writes */
export function factsOfEntry(entry: Omit<Entry, 'seq'>): { time: number; facts: RecordFacts } {
  const time = Number(entry.time);
  const facts = entry.facts === '' ? null : (JSON.parse(entry.facts) as RecordFacts);
  const mark = entry.mark === '' ? undefined : (JSON.parse(entry.mark) as Mark);
  if (!Number.isFinite(time)) throw new Error('a journal entry has no time');
  if (mark?.is === 'threshold') return { time, facts: thresholdFacts(mark) };
  if (facts === null) throw new Error('a journal entry has no facts');
  return { time, facts: mark === undefined ? facts : marked(facts, mark) };
}

function marked(facts: RecordFacts, mark: Exclude<Mark, { is: 'threshold' }>): RecordFacts {
  switch (mark.is) {
    case 'limited':
      return { ...refused(facts, mark.reason), ...breachFacts(mark) };
    case 'dead':
      return refused(facts, mark.reason);
    case 'over':
      return { ...facts, over: mark.names };
    case 'expired':
      return expiredOutcome({ intent: { ...facts }, ...mark });
    case 'corrected':
      return { ...facts, charged: formatMicros(mark.charged), corrected: true };
    case 'adjusted':
      return { ...facts, balance: formatMicros(mark.balance) };
  }
}

/** The intent was written as if the call would be admitted; what is refused holds nothing. */
function refused({ held: _, ...intent }: RecordFacts, reason: string): RecordFacts {
  return { ...intent, kind: 'call.refused', decision: 'refused', reason };
}
