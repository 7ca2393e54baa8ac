import type { RecordFacts } from '../../domain/record.ts';

/**
 * What a script that changes keys is given for its journal entry: time and facts, as layout and journal-entry.ts state them. Whatever could not
 * be chained later is refused here, before anything is written.
 * @param time  milliseconds since the epoch
 * @throws Error
 */
export function entryArguments(facts: RecordFacts, time: number): [time: string, facts: string] {
  for (const name of reservedNames) if (name in facts) throw new Error(`A record's facts may not name "${name}": the journal sets it.`);
  if (!Number.isSafeInteger(time) || Number.isNaN(new Date(time).getTime()))
    throw new Error('A record needs its time, in whole milliseconds.');
  return [String(time), JSON.stringify(facts)];
}

const reservedNames = ['v', 'partition', 'seq', 'time', 'prev', 'hash'];
