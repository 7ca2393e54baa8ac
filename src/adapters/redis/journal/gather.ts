import type { Sealed } from '../../../domain/segment.ts';
import type { Connection } from '../connection.ts';
import { journalPartitions } from '../layout.ts';
import { type Entry, readIntake, type Waiting } from './intake.ts';

/** Of one segment, about: signing and keeping a larger one would hold up this process, or Redis. */
const recordsMax = 2_500;
const charactersMax = 2_000_000;
/** Partitions asked at the same time, and rows of each at first; then entries, as far as rows can be told by those before. Bounds what is in memory at once. */
const atOnce = 32;
const firstRows = 32;
const nextEntries = 500;

/** What waits in the intake, as far as one segment goes. */
export interface Gathered {
  /** Entries after what is sealed, by partition. */
  readonly fresh: ReadonlyMap<string, readonly Entry[]>;
  /** Entries whose numbers are sealed already: left by a crash before the trim, or numbered anew after a failover. */
  readonly left: ReadonlyMap<string, readonly Entry[]>;
  /** Partitions in which fewer numbers were given out than are sealed, with the last one given out. */
  readonly behind: ReadonlyMap<string, number>;
  /** Numbers that were given out and stand nowhere: the first after what is sealed, by partition. */
  readonly missing: ReadonlyMap<string, readonly number[]>;
  readonly foreign: ReadonlyMap<string, readonly string[]>;
  readonly records: number;
  /** Partitions in which more may wait than one segment takes. */
  readonly rest: readonly string[];
}

/**
 * Reads partitions' streams from their fronts. They begin in turn, so that a busy one cannot starve another.
 * @param partitions  those that may hold what has to be read: the rest of the reading before, or all
 */
export async function gather(
  connection: Connection,
  sealed: Sealed,
  partitions: readonly string[] = journalPartitions(),
): Promise<Gathered> {
  const found = collector(sealed);
  const turn = (sealed.number * atOnce) % partitions.length;
  const order = [...partitions.slice(turn), ...partitions.slice(0, turn)];
  const deeper: Waiting[] = [];
  const rest: string[] = [];
  for (let from = 0; from < order.length; from += atOnce) {
    if (found.full()) {
      rest.push(...order.slice(from));
      break;
    }
    const some = order.slice(from, from + atOnce).map((partition) => ({ partition, count: firstRows }));
    for (const waiting of await readIntake(connection, some)) {
      found.take(waiting);
      if (waiting.more) deeper.push(waiting);
    }
  }
  for (const { partition, entries } of deeper) {
    let after = entries.at(-1)?.seq;
    const count = Math.ceil((nextEntries * firstRows) / Math.max(firstRows, entries.length));
    while (after !== undefined && !found.full()) {
      const [waiting] = await readIntake(connection, [{ partition, after, count }]);
      if (waiting) found.take(waiting);
      after = waiting?.more ? waiting.entries.at(-1)?.seq : undefined;
    }
    if (after !== undefined) rest.push(partition);
  }
  return { ...found.done(), rest };
}

function collector(sealed: Sealed) {
  const fresh = new Map<string, Entry[]>();
  const left = new Map<string, Entry[]>();
  const behind = new Map<string, number>();
  const missing = new Map<string, number[]>();
  const foreign = new Map<string, string[]>();
  let records = 0;
  let characters = 0;
  return {
    full: () => records >= recordsMax || characters >= charactersMax,
    take(waiting: Waiting): void {
      const { partition, entries, seq } = waiting;
      const head = sealed.checkpoints.get(partition)?.seq ?? 0;
      const kept = fresh.get(partition) ?? [];
      let expected = (kept.at(-1)?.seq ?? head) + 1;
      if (seq < head) behind.set(partition, seq);
      if (waiting.foreign.length > 0) add(foreign, partition, ...waiting.foreign);
      for (const entry of entries) {
        if (entry.seq <= head) {
          add(left, partition, entry);
          continue;
        }
        for (; expected < entry.seq && (missing.get(partition)?.length ?? 0) < missingMax; expected += 1) add(missing, partition, expected);
        kept.push(entry);
        records += 1;
        characters += entry.text.length;
        expected = entry.seq + 1;
      }
      // A stream that ends before the counter lost its end, since a number is given out with its entry.
      if (!waiting.more && expected <= seq && seq > head) add(missing, partition, expected);
      if (kept.length > 0) fresh.set(partition, kept);
    },
    done: () => ({ fresh, left, behind, missing, foreign, records }),
  };
}

/** Named in a fault at most, for each partition. */
const missingMax = 100;

function add<Item>(lists: Map<string, Item[]>, name: string, ...items: Item[]): void {
  const list = lists.get(name);
  if (list) list.push(...items);
  else lists.set(name, items);
}
