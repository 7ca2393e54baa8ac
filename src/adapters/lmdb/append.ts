import { chainRecord, firstPrev, type RecordFacts } from '../../domain/record.ts';
import type { Tables } from './tables.ts';

/** The embedded store has one writer at a time, so one chain. */
export const partition = 'main';

export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** Records that are chained to the head and not written yet. */
export interface Drafts {
  readonly records: readonly { readonly seq: number; readonly text: string }[];
  readonly head: Head;
}

export function readHead(tables: Tables): Head {
  return (tables.meta.get('head') as Head | undefined) ?? { seq: 0, hash: firstPrev };
}

/**
 * Chains records to the head. Everything that can fail (facts that are no JSON, a time that is none) fails here, before
 * the commit's first write. To be called inside the commit that writes them.
 * @param time  milliseconds since the epoch
 */
export function draftRecords(tables: Tables, time: number, facts: readonly RecordFacts[]): Drafts {
  let head = readHead(tables);
  const records = facts.map((each) => {
    const reserved = reservedNames.find((name) => name in each);
    if (reserved !== undefined) throw new Error(`A record's facts may not name "${reserved}": the journal sets it.`);
    const seq = head.seq + 1;
    const { text, hash } = chainRecord({ facts: each, partition, seq, time, prev: head.hash });
    head = { seq, hash };
    return { seq, text };
  });
  return { records, head };
}

export function writeDrafts(tables: Tables, drafts: Drafts): void {
  for (const { seq, text } of drafts.records) tables.journal.put(seq, text);
  tables.meta.put('head', drafts.head);
}

const reservedNames = ['v', 'partition', 'seq', 'time', 'prev', 'hash'];
