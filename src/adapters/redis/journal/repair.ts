import { chainRecord, firstPrev, type RecordFacts } from '../../../domain/record.ts';
import { parseSegment, type Sealed } from '../../../domain/segment.ts';
import type { Archive } from '../../../ports/archive.ts';
import { inPartition, prefixOf } from '../layout.ts';
import { loadScript } from '../scripts.ts';
import type { Gathered } from './gather.ts';
import type { Entry } from './intake.ts';
import type { JournalParts } from './parts.ts';

/** Entries that get a new number in one script at most. */
const movedMax = 500;

export interface Repaired {
  /** Partitions whose numbers were put right; what waits in them must be read again. */
  readonly partitions: readonly string[];
  /** The last entry of those that are sealed as they stand, by partition: they may be trimmed. */
  readonly trimmable: ReadonlyMap<string, Entry>;
}

/**
 * A failover that lost acknowledged writes sets a partition's counter back, and numbers that are sealed are given out once more. Such entries
 * get numbers of their own, the counter goes up to what is sealed, and a `gap` record says which records Redis no longer knows of. A row may begin before
 * what is sealed and end behind it: its first entries move, and it is noted that they have.
 */
export async function repairNumbers(parts: JournalParts, { sealed, gathered }: { sealed: Sealed; gathered: Gathered }): Promise<Repaired> {
  const script = loadScript('journal-repair');
  const trimmable = new Map<string, Entry>();
  const partitions: string[] = [];
  const { same, other } = await compareLeft(parts.archive, { sealed, left: gathered.left });
  for (const partition of new Set([...gathered.left.keys(), ...gathered.behind.keys()])) {
    const strange = other.get(partition) ?? [];
    const moved = strange.length === 0 ? 0 : Number((await parts.connection.client.get(inPartition.moved(partition))) ?? '0');
    const anew = strange.filter(({ seq }) => seq > moved);
    const last = same.get(partition)?.at(-1);
    const behind = gathered.behind.get(partition);
    if (anew.length === 0 && behind === undefined) {
      if (last) trimmable.set(partition, last);
      continue;
    }
    const head = sealed.checkpoints.get(partition)?.seq ?? 0;
    const firstLost = anew[0]?.seq ?? (behind ?? head) + 1;
    const now = parts.clock.now();
    const facts: RecordFacts = {
      kind: 'gap',
      problem: 'Redis lost acknowledged writes: what these records say happened, but the ledger no longer shows it',
      fromSeq: firstLost,
      throughSeq: head,
      to: new Date(now).toISOString(),
    };
    const some = anew.slice(0, movedMax);
    const through = some.length < anew.length ? (some.at(-1)?.seq ?? 0) : some.length === 0 ? 0 : head;
    const entries = some.flatMap(({ row, seq }) => [row, String(seq)]);
    await parts.connection.run(
      script,
      [prefixOf(partition)],
      [String(head), String(now), JSON.stringify(facts), String(through), ...entries],
    );
    parts.log.fault(
      'Redis lost acknowledged writes',
      new Error(`${partition}: records ${firstLost} to ${head} are sealed, but Redis no longer knows of them`),
      {
        partition,
        renumbered: some.length,
      },
    );
    partitions.push(partition);
  }
  return { partitions, trimmable };
}

/** Which entries are the very records that were sealed under their numbers. */
async function compareLeft(
  archive: Archive,
  { sealed, left }: { sealed: Sealed; left: Gathered['left'] },
): Promise<{ same: Map<string, Entry[]>; other: Map<string, Entry[]> }> {
  const same = new Map<string, Entry[]>();
  const other = new Map<string, Entry[]>();
  const wanted = new Map<string, Entry>();
  for (const [partition, entries] of left) for (const entry of entries) wanted.set(`${partition} ${entry.seq}`, entry);
  const verdicts = new Map<string, boolean>();
  const oldest = new Map([...left].map(([partition, entries]) => [partition, entries[0]?.seq ?? 0]));
  for (let number = sealed.number; number > 0 && oldest.size > 0; number -= 1) {
    const text = await archive.get({ series: 'segments', number });
    // What was pruned can be compared with nothing, and is kept.
    if (text === undefined) break;
    for (const record of parseSegment(text).records) {
      const place = placeOf(record);
      const entry = place && wanted.get(`${place.partition} ${place.seq}`);
      if (place && entry) verdicts.set(`${place.partition} ${place.seq}`, isRecord(entry, record));
      if (place && (oldest.get(place.partition) ?? Number.NEGATIVE_INFINITY) >= place.seq) oldest.delete(place.partition);
    }
  }
  for (const [partition, entries] of left) {
    for (const entry of entries) {
      const into = verdicts.get(`${partition} ${entry.seq}`) ? same : other;
      const list = into.get(partition);
      if (list) list.push(entry);
      else into.set(partition, [entry]);
    }
  }
  return { same, other };
}

function placeOf(record: string): { partition: string; seq: number } | undefined {
  const match = /^\{"v":1,"partition":"([^"\\]+)","seq":([0-9]{1,16}),/.exec(record);
  return match?.[1] ? { partition: match[1], seq: Number(match[2]) } : undefined;
}

function isRecord({ draft }: Entry, record: string): boolean {
  const prev = /,"prev":"([0-9a-f]{64})","hash":"[0-9a-f]{64}"\}$/.exec(record)?.[1] ?? firstPrev;
  return chainRecord({ ...draft, prev }).text === record;
}
