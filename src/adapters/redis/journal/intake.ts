import { hash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { type ChainableCommander, Redis } from 'ioredis';
import type { Draft } from '../../../domain/segment.ts';
import type { Connection } from '../connection.ts';
import { entriesOfRow, factsOfEntry, type Entry as Stored } from '../journal-entry.ts';
import { inPartition, journalPartitions } from '../layout.ts';

/** An entry that waits to be sealed, or was sealed and not yet trimmed. */
export interface Entry {
  readonly seq: number;
  /** The row of the stream that it stands in. */
  readonly row: string;
  /** What stands in Redis of it: see fingerprintOf(). */
  readonly text: string;
  readonly draft: Draft;
}

/** Some of a partition's stream from its front. */
export interface Waiting {
  readonly partition: string;
  readonly entries: readonly Entry[];
  /** The last number given out when the reading began: all of them stand in the stream, or stood there. */
  readonly seq: number;
  /** Rows that no script writes. */
  readonly foreign: readonly string[];
  readonly more: boolean;
}

/** Where to read a partition's stream, and how much of it. */
export interface Reading {
  readonly partition: string;
  /** The last entry of the row before the first one to read; absent: from the front. */
  readonly after?: number;
  /** Rows, which are read as a whole. */
  readonly count: number;
}

/** Entries that are read before other requests get a turn. */
const turnEntries = 200;

export async function readIntake(connection: Connection, readings: readonly Reading[]): Promise<Waiting[]> {
  const answers = await ask(connection, readings, 3, (pipeline, { partition, after, count }) => {
    const counter = inPartition.seq(partition);
    const from = after === undefined ? '-' : `(${after}-18446744073709551615`;
    pipeline.get(counter).xrange(inPartition.journal(partition), from, '+', 'COUNT', count).get(counter);
  });
  const found: Waiting[] = [];
  let turn = 0;
  for (const [at, { partition, count }] of readings.entries()) {
    const [first, listed, last] = answers[at] as [string | null, [id: string, fields: string[]][], string | null];
    const entries: Entry[] = [];
    const foreign: string[] = [];
    for (const [id, fields] of listed) {
      const row = entriesOfRow(id, fields);
      // Anything beyond the counter was put there by hand; sealed, it would take the numbers of real records.
      if (row === undefined || !((row.at(-1)?.seq ?? Number.NaN) <= Number(last ?? '0'))) foreign.push(id);
      else for (const stored of row) entries.push(readEntry(partition, id, stored));
      const before = turn;
      turn += row?.length ?? 1;
      if (Math.floor(turn / turnEntries) > Math.floor(before / turnEntries)) await setImmediate();
    }
    found.push({ partition, entries, seq: Number(first ?? '0'), foreign, more: listed.length === count });
  }
  return found;
}

/** How many rows stand in each partition's stream, and the last number given out. */
export async function countIntake(connection: Connection): Promise<{ partition: string; rows: number; seq: number }[]> {
  const partitions = journalPartitions();
  const answers = await ask(connection, partitions, 2, (pipeline, partition) => {
    pipeline.get(inPartition.seq(partition)).xlen(inPartition.journal(partition));
  });
  return partitions.map((partition, at) => {
    const [last, rows] = answers[at] as [string | null, number];
    return { partition, rows, seq: Number(last ?? '0') };
  });
}

/** Asks the same of many partitions: in one pipeline, or in a cluster, where a pipeline goes to one slot, in one for each. */
async function ask<Item>(
  { client }: Connection,
  items: readonly Item[],
  each: number,
  put: (pipeline: ChainableCommander, item: Item) => void,
): Promise<unknown[][]> {
  const send = async (some: readonly Item[]): Promise<unknown[]> => {
    const pipeline = client.pipeline();
    for (const item of some) put(pipeline, item);
    const answers = await pipeline.exec();
    if (answers === null) throw new Error('Redis gave no answer to a pipeline of the journal.');
    return answers.map(([error, result]) => {
      if (error) throw error;
      return result;
    });
  };
  if (!(client instanceof Redis)) return Promise.all(items.map((item) => send([item])));
  const all = await send(items);
  return items.map((_, at) => all.slice(at * each, (at + 1) * each));
}

function readEntry(partition: string, row: string, stored: Stored): Entry {
  const { seq, time, facts, mark } = stored;
  return { seq, row, text: `${time}\n${facts}\n${mark}`, draft: { partition, seq, ...statedBy(stored) } };
}

/** What journal-trim compares, so that nothing but the very entry that was sealed is trimmed. Only the last one of a partition is asked for. */
export function fingerprintOf({ text }: Entry): string {
  return hash('sha1', text);
}

const reserved = ['v', 'partition', 'seq', 'time', 'prev', 'hash'];
/** The last instant that has a name in ISO 8601. */
const timeMax = 8.64e15;

/** Printed as gateways print facts, as far as a chain needs it: an object in one line. Then it need not be printed again. */
function isPlain(facts: string): boolean {
  return facts.startsWith('{"') && facts.endsWith('}') && !facts.includes('\n');
}

/**
 * What the entry says. One that cannot be read keeps its place in the chain as a gap, since it would otherwise hold up all that follows;
 * what stood there is kept as text.
 */
function statedBy(stored: Stored): Pick<Draft, 'time' | 'facts'> {
  try {
    const { time, facts } = factsOfEntry(stored);
    if (!(Math.abs(time) <= timeMax)) throw new Error('its time is out of range');
    const odd = reserved.find((name) => name in facts);
    if (odd !== undefined) throw new Error(`its facts name "${odd}"`);
    return { time, facts: stored.mark === '' && isPlain(stored.facts) ? stored.facts : facts };
  } catch (error) {
    const { seq, ...fields } = stored;
    const entry = JSON.stringify(fields).slice(0, 10_000);
    const problem = `entry ${seq} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    const time = Number(fields.time);
    return { time: Math.abs(time) <= timeMax ? time : 0, facts: { kind: 'gap', problem, entry } };
  }
}
