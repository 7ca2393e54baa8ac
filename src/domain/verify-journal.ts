import { type KeyObject, verify } from 'node:crypto';
import { createHashList, type HashList } from './hash-list.ts';
import { type Checkpoint, checkpointText, firstPrev, hashOfText } from './record.ts';

/**
 * Verifies journal records as exact text lines, in order: every hash, every link, every sequence number, every
 * checkpoint's signature, and that the chain stands at the hash each checkpoint states. Lines may also be checkpoints
 * (`{"checkpoint":{…}}`), as exports hold them, before or after the records they are about. Each partition is its own chain.
 *
 * Found and located by sequence number: an edited byte (at the record itself), a record removed, added or moved, a cut
 * tail (a checkpoint lies beyond the last record), a cut front (no `journal.pruned` record accounts for it).
 * Not found: a tail cut back to the newest checkpoint, and whatever the holder of the signing key forges.
 *
 * Where records are read from a store that is still being written, read its checkpoints before its records.
 *
 * Charges (I8): the last outcome of a reservation states its final charge. One with `corrected: true` replaces the
 * outcome before it and is not added to it.
 *
 * @param options.publicKeys  Ed25519 public keys by `kid`
 * @param options.anchor  what the first record must follow, where an export begins in the middle
 */
export function verifyLines(
  lines: Iterable<string>,
  options: { checkpoints: readonly Checkpoint[]; publicKeys: ReadonlyMap<string, KeyObject>; anchor?: Pick<Checkpoint, 'seq' | 'hash'> },
): Verified {
  const faults: Fault[] = [];
  const tell: Tell = (partition, seq, problem) => {
    if (faults.length < faultsMax) faults.push({ partition, seq, problem });
  };
  const gaps: { seq: number; from?: string; to?: string }[] = [];
  const chains = new Map<string, Chain>();
  const checkpoints = [...options.checkpoints];
  let records = 0;
  let partition = 'main';
  for (const text of lines) {
    if (text === '') continue;
    const stated = parseObject(text);
    const checkpoint = stated && checkpointIn(stated);
    if (checkpoint) {
      checkpoints.push(checkpoint);
      continue;
    }
    records += 1;
    if (typeof stated?.partition === 'string') partition = stated.partition;
    const line: Line = { text, stated, hashes: hashOfText(text) };
    const chain = chains.get(partition) ?? beginChain({ line, partition, checkpoints, anchor: options.anchor });
    chains.set(partition, chain);
    checkRecord(line, chain, tell);
    if (stated?.kind === 'gap') gaps.push(gapOf(chain.lastSeq, stated));
  }
  const believed = checkpoints.filter((checkpoint) => checkCheckpoint(checkpoint, { chains, publicKeys: options.publicKeys, tell }));
  for (const chain of chains.values()) checkFront(chain, believed, tell);
  faults.sort((one, other) => one.seq - other.seq);
  const [only, second] = chains.values();
  const ends = only && !second ? { firstSeq: only.firstSeq, lastSeq: only.lastSeq } : {};
  return { ok: faults.length === 0, records, checkpoints: checkpoints.length, ...ends, faults, gaps };
}

/** The journal port's report; firstSeq and lastSeq only where all lines are of one partition. */
interface Verified {
  readonly ok: boolean;
  readonly records: number;
  readonly checkpoints: number;
  readonly firstSeq?: number;
  readonly lastSeq?: number;
  readonly faults: readonly Fault[];
  readonly gaps: readonly { seq: number; from?: string; to?: string }[];
}

interface Fault {
  readonly partition: string;
  readonly seq: number;
  readonly problem: string;
}

type Tell = (partition: string, seq: number, problem: string) => void;

interface Line {
  readonly text: string;
  readonly stated: Readonly<Record<string, unknown>> | undefined;
  readonly hashes: { stated: string; computed: string } | undefined;
}

/** One partition while it is read. */
interface Chain {
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

/** A journal that is damaged everywhere would otherwise be listed line by line. */
const faultsMax = 1000;

function beginChain(options: {
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

function checkRecord(line: Line, chain: Chain, tell: Tell): void {
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

/** False where the checkpoint cannot be believed. Whether the chain agrees with it is told apart. */
function checkCheckpoint(
  checkpoint: Checkpoint,
  options: { chains: ReadonlyMap<string, Chain>; publicKeys: ReadonlyMap<string, KeyObject>; tell: Tell },
): boolean {
  const { partition, seq, hash, time, kid, signature } = checkpoint;
  const fault = (problem: string): void => options.tell(partition, seq, problem);
  const key = options.publicKeys.get(kid);
  if (!key || !verify(null, Buffer.from(checkpointText(checkpoint)), key, Buffer.from(signature, 'base64url'))) {
    fault(key ? `the signature of the checkpoint of ${time} is wrong` : `the checkpoint of ${time} is signed by an unknown key (${kid})`);
    return false;
  }
  const chain = options.chains.get(partition);
  if (!chain || seq > chain.lastSeq) {
    const end = chain ? `ends at ${chain.lastSeq}` : 'has no records';
    // A journal pruned to its end always holds the record of the pruning, so an empty one is a cut one.
    fault(`the tail is missing: the journal ${end}, but the checkpoint of ${time} was signed at ${seq}`);
  } else if (![undefined, hash].includes(chain.hashes.at(seq - chain.firstSeq))) {
    fault(`record ${seq} is not the one that the checkpoint of ${time} was signed over`);
  }
  return true;
}

/** A journal begins at 1, or after a signed anchor that a `journal.pruned` record accounts for, or where the caller says. */
function checkFront(chain: Chain, checkpoints: readonly Checkpoint[], tell: Tell): void {
  const before = chain.firstSeq - 1;
  if (chain.anchored || before === 0) return;
  const missing = `records 1 to ${before} are missing`;
  const anchored = checkpoints.some(({ partition, seq, hash }) => partition === chain.partition && seq === before && hash === chain.start);
  if (!anchored) tell(chain.partition, chain.firstSeq, `${missing} and no signed anchor stands for them`);
  else if (chain.prunedThrough < before) tell(chain.partition, chain.firstSeq, `${missing} and no record says that they were pruned`);
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function checkpointIn(stated: Readonly<Record<string, unknown>>): Checkpoint | undefined {
  if (!('checkpoint' in stated) || 'hash' in stated) return undefined;
  const { partition, seq, hash, time, kid, signature } = (stated.checkpoint ?? {}) as Partial<Record<keyof Checkpoint, unknown>>;
  const whole = Number.isSafeInteger(seq) && [partition, hash, time, kid, signature].every((text) => typeof text === 'string');
  return whole ? (stated.checkpoint as Checkpoint) : undefined;
}

function gapOf(seq: number, { from, to }: Readonly<Record<string, unknown>>): { seq: number; from?: string; to?: string } {
  return { seq, ...(typeof from === 'string' && { from }), ...(typeof to === 'string' && { to }) };
}
