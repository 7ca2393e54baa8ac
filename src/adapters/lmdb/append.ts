import { chainRecord, firstPrev, type RecordFacts } from '../../domain/record.ts';
import type { Tables } from './tables.ts';

/** The embedded store has one writer at a time, so one chain. Chains of other partitions come with an import, and end there. */
export const partition = 'main';

/** Where a chain stands. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

/** Where the store's own chain stands, and the position of the journal's last record, of whatever chain it is. */
export interface Head extends ChainEnd {
  readonly position: number;
}

/** Records that are chained to the head and not written yet. */
export interface Drafts {
  readonly records: readonly { readonly position: number; readonly text: string }[];
  readonly head: Head;
  /** Ends of all imported chains, where one of them got a record. */
  readonly ends?: Readonly<Record<string, ChainEnd>>;
}

export function readHead(tables: Tables): Head {
  return (tables.meta.get('head') as Head | undefined) ?? { seq: 0, hash: firstPrev, position: 0 };
}

/**
 * Chains records to the head. Everything that can fail (facts that are no JSON, a time that is none) fails here, before
 * the commit's first write. To be called inside the commit that writes them.
 * @param time  milliseconds since the epoch
 */
export function draftRecords(tables: Tables, time: number, facts: readonly RecordFacts[]): Drafts {
  let head = readHead(tables);
  const timeText = tables.timeText(time);
  const records = facts.map((each) => {
    refuseReserved(each);
    const seq = head.seq + 1;
    const { text, hash } = chainRecord({ facts: each, partition, seq, time: timeText, prev: head.hash });
    const position = head.position + 1;
    head = { seq, hash, position };
    return { position, text };
  });
  return { records, head };
}

/** Ends of the chains that came with an import, by partition; the store's own is not among them. */
function readEnds(tables: Tables): Readonly<Record<string, ChainEnd>> {
  return (tables.meta.get('ends') as Readonly<Record<string, ChainEnd>> | undefined) ?? {};
}

/** As draftRecords, for one record in each of the partitions named. */
export function draftInEach(tables: Tables, time: number, facts: ReadonlyMap<string, RecordFacts>): Drafts {
  const own = facts.get(partition);
  const { head, records: first } = draftRecords(tables, time, own ? [own] : []);
  const ends: Record<string, ChainEnd> = { ...readEnds(tables) };
  const records = [...first];
  for (const [name, each] of facts) {
    if (name === partition) continue;
    const { seq: last, hash: prev } = ends[name] ?? { seq: 0, hash: firstPrev };
    const seq = last + 1;
    const { text, hash } = chainRecord({ facts: each, partition: name, seq, time, prev });
    ends[name] = { seq, hash };
    records.push({ position: head.position + 1 + records.length - first.length, text });
  }
  return { records, head: { ...head, position: head.position + records.length - first.length }, ends };
}

export function writeDrafts(tables: Tables, drafts: Drafts): void {
  for (const { position, text } of drafts.records) tables.journal.put(position, text);
  tables.meta.put('head', drafts.head);
  if (drafts.ends) tables.meta.put('ends', drafts.ends);
}

/** @throws Error for facts that name what the journal sets */
function refuseReserved(facts: RecordFacts): void {
  // Name by name, because that is cheap where facts are alike, and they are made for each call.
  const free = !('v' in facts || 'partition' in facts || 'seq' in facts || 'time' in facts || 'prev' in facts || 'hash' in facts);
  if (free) return;
  const name = reservedNames.find((each) => each in facts);
  throw new Error(`A record's facts may not name "${name}": the journal sets it.`);
}

const reservedNames = ['v', 'partition', 'seq', 'time', 'prev', 'hash'];
