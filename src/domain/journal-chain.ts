import { createHashList, type HashList } from './hash-list.ts';
import { type Checkpoint, firstPrev, type hashOfText } from './record.ts';

export interface Fault {
  readonly partition: string;
  readonly seq: number;
  readonly problem: string;
}

export type Tell = (partition: string, seq: number, problem: string) => void;

export interface Line {
  readonly text: string;
  readonly stated: Readonly<Record<string, unknown>> | undefined;
  readonly hashes: ReturnType<typeof hashOfText>;
}

/** One partition while it is read. */
export interface Chain {
  readonly partition: string;
  readonly firstSeq: number;
  /** What the first record names as `prev`. */
  readonly start: string;
  lastSeq: number;
  /** What the next record may name as `prev`. Two after a record with an edited hash, so that one damage is one fault. */
  next: readonly string[];
  readonly hashes: HashList;
  /** The last seq that a `journal.pruned` record of this chain accounts for. */
  prunedThrough: number;
  /** True where the caller vouches for what came before the first record. */
  readonly anchored: boolean;
}

export function beginChain(options: {
  line: Line;
  partition: string;
  checkpoints: readonly Checkpoint[];
  anchor: Pick<Checkpoint, 'seq' | 'hash'> | undefined;
}): Chain {
  const { line, partition, checkpoints, anchor } = options;
  const prev = line.stated ? line.stated.prev : /"prev":"([0-9a-f]{64})"/.exec(line.text)?.[1];
  const before = anchor ?? checkpoints.find((checkpoint) => checkpoint.partition === partition && checkpoint.hash === prev);
  const sound = line.hashes !== undefined && line.hashes.stated === line.hashes.computed;
  // A damaged first record is placed by what it follows, because its own number may be what was damaged.
  const firstSeq = before && (anchor || !sound) ? before.seq + 1 : sound || prev !== firstPrev ? statedSeq(line) : 1;
  const start = anchor?.hash ?? (firstSeq === 1 || typeof prev !== 'string' ? firstPrev : prev);
  return {
    partition,
    firstSeq,
    start,
    lastSeq: firstSeq - 1,
    next: [start],
    hashes: createHashList(),
    prunedThrough: 0,
    anchored: anchor !== undefined,
  };
}

function statedSeq(line: Line): number {
  const seq = line.stated?.seq ?? Number(/"seq":([0-9]{1,15}),/.exec(line.text)?.[1]);
  return Number.isSafeInteger(seq) && Number(seq) > 0 ? Number(seq) : 1;
}

/** Judges the next record of a chain and takes it into account. */
export function checkRecord(line: Line, chain: Chain, tell: Tell): void {
  const { stated, hashes } = line;
  const expected = chain.lastSeq + 1;
  const fault = (problem: string): void => tell(chain.partition, expected, problem);
  if (!stated || !hashes || hashes.stated !== hashes.computed) {
    fault(stated ? 'the record was changed: its hash does not match its text' : 'the record was changed: it is not a JSON object');
    chain.lastSeq = expected;
    chain.next = hashes ? [hashes.stated, hashes.computed] : chain.next;
    return;
  }
  const seq = Number.isSafeInteger(stated.seq) ? Number(stated.seq) : 0;
  if (stated.v !== 1) fault(`the record has schema version ${JSON.stringify(stated.v)}; this build reads 1`);
  if (seq !== expected) fault(`record ${expected} is missing or out of order: record ${seq} stands in its place`);
  else if (typeof stated.prev !== 'string' || !chain.next.includes(stated.prev)) {
    fault(`record ${expected} does not follow record ${expected - 1}: one of the two was replaced`);
  }
  if (seq < expected) return;
  chain.lastSeq = seq;
  chain.next = [hashes.stated];
  chain.hashes.keep(seq - chain.firstSeq, hashes.stated);
  if (stated.kind === 'journal.pruned' && typeof stated.throughSeq === 'number') {
    chain.prunedThrough = Math.max(chain.prunedThrough, stated.throughSeq);
  }
}

/** A journal begins at 1, or after a signed anchor that a `journal.pruned` record accounts for, or where the caller says. */
export function checkFront(chain: Chain, checkpoints: readonly Checkpoint[], tell: Tell): void {
  const before = chain.firstSeq - 1;
  if (chain.anchored || before === 0) return;
  const missing = `records 1 to ${before} are missing`;
  const anchored = checkpoints.some(({ partition, seq, hash }) => partition === chain.partition && seq === before && hash === chain.start);
  if (!anchored) tell(chain.partition, chain.firstSeq, `${missing} and no signed anchor stands for them`);
  else if (chain.prunedThrough < before) tell(chain.partition, chain.firstSeq, `${missing} and no record says that they were pruned`);
}
