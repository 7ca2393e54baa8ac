import { type KeyObject, verify } from 'node:crypto';
import { beginChain, type Chain, checkFront, checkRecord, type Fault, type Line, type Tell } from './journal-chain.ts';
import { type Checkpoint, checkpointText, hashOfText } from './record.ts';

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
export function verifyLines(lines: Iterable<string>, options: Trusted): Verified {
  const verifying = beginVerifying(options);
  for (const text of lines) verifying.take(text);
  return verifying.end();
}

interface Trusted {
  readonly checkpoints: readonly Checkpoint[];
  readonly publicKeys: ReadonlyMap<string, KeyObject>;
  readonly anchor?: Pick<Checkpoint, 'seq' | 'hash'>;
}

/** The same line by line, for whoever gets them one after the other: `take` each, then `end`. */
export function beginVerifying(options: Trusted): { take(text: string): void; end(): Verified } {
  const faults: Fault[] = [];
  const tell: Tell = (partition, seq, problem) => {
    if (faults.length < faultsMax) faults.push({ partition, seq, problem });
  };
  const gaps: { seq: number; from?: string; to?: string }[] = [];
  const chains = new Map<string, Chain>();
  const checkpoints = [...options.checkpoints];
  let records = 0;
  let partition = 'main';
  const take = (text: string): void => {
    // A segment of an archive ends with a line about itself, which is judged where segments are.
    if (text === '' || text.startsWith('{"segment":')) return;
    const stated = parseObject(text);
    const checkpoint = stated && checkpointIn(stated);
    if (checkpoint) {
      checkpoints.push(checkpoint);
      return;
    }
    records += 1;
    // A damaged line is still of the partition that its beginning names.
    const named = stated ? stated.partition : /^\{"v":1,"partition":"([a-z0-9]{1,16})"/.exec(text)?.[1];
    if (typeof named === 'string') partition = named;
    const line: Line = { text, stated, hashes: hashOfText(text) };
    const chain = chains.get(partition) ?? beginChain({ line, partition, checkpoints, anchor: options.anchor });
    chains.set(partition, chain);
    checkRecord(line, chain, tell);
    if (stated?.kind === 'gap') gaps.push(gapOf(chain.lastSeq, stated));
  };
  const end = (): Verified => {
    const believed = checkpoints.filter((checkpoint) => checkCheckpoint(checkpoint, { chains, publicKeys: options.publicKeys, tell }));
    for (const chain of chains.values()) checkFront(chain, believed, tell);
    faults.sort((one, other) => one.seq - other.seq);
    const [only, second] = chains.values();
    const ends = only && !second ? { firstSeq: only.firstSeq, lastSeq: only.lastSeq } : {};
    return { ok: faults.length === 0, records, checkpoints: checkpoints.length, ...ends, faults, gaps };
  };
  return { take, end };
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

/** A journal that is damaged everywhere would otherwise be listed line by line. */
const faultsMax = 1000;

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
