import { Redis } from 'ioredis';
import type { Connection } from './connection.ts';

/** A name in a partition, taken apart. */
export interface PartitionName {
  readonly name: string;
  readonly partition: string;
  /** What stands after the family, such as a key's id. */
  readonly rest: string;
}

/** Names of all that stands in a store, by what it is. */
export interface StoreNames {
  readonly keys: readonly PartitionName[];
  readonly accounts: readonly PartitionName[];
  readonly references: readonly PartitionName[];
  readonly counters: readonly PartitionName[];
  readonly totals: readonly PartitionName[];
  readonly factors: readonly PartitionName[];
  /** Hashes of pins, by upstream. */
  readonly pins: readonly PartitionName[];
  /** Sorted sets of what is running: reservations and leases. */
  readonly running: readonly PartitionName[];
  readonly once: readonly string[];
  readonly replays: readonly string[];
  /** Names of duties that have come somewhere. */
  readonly progress: readonly string[];
}

const scanCount = 1_000;

/** Every name that is keygate's, each once, from every master. They are all held in memory, about 100 bytes each. */
export async function* scanNames(connection: Pick<Connection, 'masters'>): AsyncGenerator<string> {
  const seen = new Set<string>();
  for (const node of connection.masters()) {
    for await (const page of pagesOf(node)) {
      for (const name of page) {
        if (transient.test(name) || seen.has(name)) continue;
        seen.add(name);
        yield name;
      }
    }
  }
}

async function* pagesOf(node: Redis): AsyncGenerator<readonly string[]> {
  for (let cursor = '0'; ; ) {
    const [next, page] = await node.scan(cursor, 'MATCH', 'kg:*', 'COUNT', scanCount);
    yield page;
    if (next === '0') return;
    cursor = next;
  }
}

/**
 * What is forgotten with time and means nothing to another store: answers of calls that have ended, deleted keys' last writes, counted rates,
 * probes; and what the store finds again by itself.
 */
const transient = /^kg:(?:\{p[0-9]+\}:(?:ended|captured|gone|lease):|\{[^}]*\}:(?:mark|probe)$|rate:)/;

/**
 * Sorts the names.
 * @throws Error for one that this build does not know: what it does not understand it cannot move; and where slots of a cluster move meanwhile
 */
export async function namesOf(connection: Pick<Connection, 'masters' | 'client'>): Promise<StoreNames> {
  const found: Record<Family, PartitionName[]> = { key: [], account: [], ref: [], count: [], totals: [], factor: [], pins: [] };
  const running: PartitionName[] = [];
  const once: string[] = [];
  const replays: string[] = [];
  const progress: string[] = [];
  const slots = await slotsOf(connection);
  for await (const name of scanNames(connection)) {
    const [, partition = '', family = '', rest = ''] = /^kg:\{(p[0-9]+)\}:([a-z]+)(?::(.*))?$/s.exec(name) ?? [];
    if (family in found) found[family as Family].push({ name, partition, rest });
    else if (family === 'due' || family === 'leases') running.push({ name, partition, rest });
    else if (name.startsWith('kg:once:')) once.push(name);
    else if (name.startsWith('kg:replay:')) replays.push(name);
    else if (progressPattern.test(name)) progress.push(progressPattern.exec(name)?.[1] ?? '');
    else if (!derived.test(name) && !(partition !== '' && ['journal', 'seq', 'moved', 'holds', 'pintexts'].includes(family)))
      throw unknownName(name);
  }
  if ((await slotsOf(connection)) !== slots) throw slotsMove();
  const { key: keys, account: accounts, ref: references, count: counters, totals, factor: factors, pins } = found;
  return { keys, accounts, references, counters, totals, factors, pins, running, once, replays, progress };
}

type Family = 'key' | 'account' | 'ref' | 'count' | 'totals' | 'factor' | 'pins';

const progressPattern = /^kg:\{duty\}:(.*):progress$/s;
/** Pointers to keys, the feed, the archive, and the journal of the embedded store that this one was imported from. */
const derived = /^kg:(?:digest:|id:|\{index\}:|\{feed\}:|\{archive\}:|\{meta\}:meta$|\{duty\}:.*:holder$|\{main\}:(?:journal|seq|moved)$)/s;

/** Which master has which slots; '' where there is no cluster. A name whose slot moved from a master not yet read to one already read would be missed. */
async function slotsOf({ client, masters }: Pick<Connection, 'masters' | 'client'>): Promise<string> {
  if (client instanceof Redis) return '';
  const texts = await Promise.all(masters().map(async (node) => String(await node.cluster('NODES'))));
  // Slots stand at the end of a node's own line, those that move in brackets.
  const own = texts.map((text) => text.split('\n').find((line) => / (?:\S+,)?myself[ ,]/.test(line)) ?? '');
  const ranges = own.map((line) => line.split(' ').slice(8));
  const counts = ranges.flat().map((range) => {
    const [first = Number.NaN, last = first] = range.split('-').map(Number);
    return last - first + 1;
  });
  // So written, a slot in brackets refuses too, and so does a master that is not known here yet.
  if (!(counts.reduce((sum, count) => sum + count, 0) === slotCount)) throw slotsMove();
  return own
    .map((line, at) => `${line.split(' ')[0]} ${ranges[at]?.join(' ')}`)
    .sort()
    .join('\n');
}

const slotCount = 16_384;

function slotsMove(): Error {
  return new Error('Slots of the Redis cluster are being moved from one node to another. Export again when that is done.');
}

function unknownName(name: string): Error {
  return new Error(`The store holds ${JSON.stringify(name)}, which this build does not know. Export with the release that wrote it.`);
}
