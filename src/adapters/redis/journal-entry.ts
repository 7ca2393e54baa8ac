import { breachFacts, thresholdFacts } from '../../domain/breach-facts.ts';
import { expiredOutcome } from '../../domain/expired-outcome.ts';
import { formatMicros } from '../../domain/money.ts';
import type { RecordFacts } from '../../domain/record.ts';

/**
 * What scripts append to a partition's journal: the time (`t`, ms), the facts as the gateway wrote them (`f`, JSON), and, where the script alone
 * knew what became of the act, a mark (`m`, JSON) from which the rest follows. Lua writes no money as text and builds no record.
 */
export type Mark =
  /** A limit refused the call whose intent `f` is. Amounts in micro-units or calls. */
  | ({ readonly is: 'limited'; readonly reason: string } & Parameters<typeof breachFacts>[0])
  | { readonly is: 'dead'; readonly reason: string }
  /** The admitted call goes beyond soft limits of these names. */
  | { readonly is: 'over'; readonly names: readonly string[] }
  /** The hold of the intent `f` expired. */
  | { readonly is: 'expired'; readonly keyId: string; readonly reservationId: string; readonly charged: number }
  /** `f` is an outcome that corrects the one before it, with the charge that had room. */
  | { readonly is: 'corrected'; readonly charged: number }
  /** `f` corrects a balance, which then was this. */
  | { readonly is: 'adjusted'; readonly balance: number }
  /** A limit has come this far; `f` is absent. */
  | ({ readonly is: 'threshold' } & Parameters<typeof thresholdFacts>[0]);

/** What a record says, from the fields of its entry. @throws Error for an entry that no script writes */
export function factsOfEntry(fields: ReadonlyMap<string, string>): { time: number; facts: RecordFacts } {
  const time = Number(fields.get('t'));
  const facts = JSON.parse(fields.get('f') ?? 'null') as RecordFacts | null;
  const mark = fields.has('m') ? (JSON.parse(fields.get('m') ?? '') as Mark) : undefined;
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
