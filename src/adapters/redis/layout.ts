import { hash } from 'node:crypto';

/**
 * Where everything stands. What one commit touches is in one partition, and a partition is one hash slot (its tag in braces): the ledger of a
 * root, the keys that draw on it, and the journal of both. A root is in one partition for ever. The number of partitions bounds how many shards a
 * cluster can use; it is written into the store when it is made.
 */
export const partitionCount = 256;

/** The partition of a ledger root, or of anything else that is journalled: `p0` to `p255`. */
export function partitionOf(root: string): string {
  // The first four bytes as one number.
  return `p${Number.parseInt(hash('sha256', root).slice(0, 8), 16) % partitionCount}`;
}

/** Roots whose partition is remembered: a string of some fifty bytes each. */
const rootsMax = 20_000;

/** As partitionOf(), for who asks for the same roots again and again: remembers what was asked for, up to so many roots, and then begins anew. */
export function rememberPartitions(): (root: string) => string {
  const known = new Map<string, string>();
  return (root) => {
    const kept = known.get(root);
    if (kept !== undefined) return kept;
    if (known.size >= rootsMax) known.clear();
    const partition = partitionOf(root);
    known.set(root, partition);
    return partition;
  };
}

export function everyPartition(): string[] {
  return Array.from({ length: partitionCount }, (_, at) => `p${at}`);
}

/**
 * Partitions that the journal may grow in: those of the roots, and the one of the embedded store, whose chain an import brings. Nothing is added
 * to that one but what pruning says of it.
 */
export function journalPartitions(): string[] {
  return [...everyPartition(), 'main'];
}

/** Begins every name in a partition, such as `kg:{p17}:`. Scripts get it as their first key and build the other names from it. */
export function prefixOf(partition: string): string {
  return `kg:{${partition}}:`;
}

/** Names within one partition. */
export const inPartition = {
  /** Hash: rev, revoked, expires (ms; absent members where they do not apply), record (JSON), op (the name of its last write). */
  key: (partition: string, id: string) => `${prefixOf(partition)}key:${id}`,
  /** Hash, by holder (a key's id, or `account:<id>`): counter to a JSON array of four members for each window, newest first: start, spent, held, and what was told of limits or 0. */
  counters: (partition: string, holder: string) => `${prefixOf(partition)}count:${holder}`,
  /** Hash, by holder: counter to JSON of what is known of the running total. */
  totals: (partition: string, holder: string) => `${prefixOf(partition)}totals:${holder}`,
  /** Hash: balance, held, created, limits (JSON of budgets and caps), rev, op (the name of its last write). */
  account: (partition: string, id: string) => `${prefixOf(partition)}account:${id}`,
  /** Hash: reservation id to owner and plan (JSON) of a call that runs, in two lines; the same behind a space to its intent (JSON). */
  holds: (partition: string) => `${prefixOf(partition)}holds`,
  /** Hash: how the reservations ended whose ids begin with these six characters. See ledger.lua. */
  ended: (partition: string, id: string) => `${prefixOf(partition)}ended:${id.slice(0, 6)}`,
  /** The plan of a reservation that was captured by its expiry. */
  captured: (partition: string, id: string) => `${prefixOf(partition)}captured:${id}`,
  /** Sorted set: reservation id by the time at which its hold expires. */
  due: (partition: string) => `${prefixOf(partition)}due`,
  /** A hold for several calls: see lease.lua. */
  lease: (partition: string, id: string) => `${prefixOf(partition)}lease:${id}`,
  /** Sorted set: lease id by the time at which it is closed if its owner did not. */
  leases: (partition: string) => `${prefixOf(partition)}leases`,
  /** Stream: records in rows, until they are sealed. A row is named by the number of its first record and how many more it has: see journal-entry.ts. */
  journal: (partition: string) => `${prefixOf(partition)}journal`,
  /** The last sequence number given out. */
  seq: (partition: string) => `${prefixOf(partition)}seq`,
  /** The number through which entries that stand in the stream were given others, where a failover lost records: see journal-repair.lua. */
  moved: (partition: string) => `${prefixOf(partition)}moved`,
  /** Amount that a payment's reference stands for, by the reference's hash. */
  reference: (partition: string, hash: string) => `${prefixOf(partition)}ref:${hash}`,
  /** Hash by key id: rev, factor (JSON), op (the name of its last write). */
  factor: (partition: string, keyId: string) => `${prefixOf(partition)}factor:${keyId}`,
  /** Hash, by upstream: `n`, how often a pin of it was put; for each tool `p:<tool>`, its pin (JSON), and `r:<tool>`, its revision and the name of its last write. */
  pins: (partition: string, upstream: string) => `${prefixOf(partition)}pins:${upstream}`,
  /** Hash, by upstream: for each tool `t:<tool>`, pairs of the hash and the text of its definitions (JSON). */
  pinTexts: (partition: string, upstream: string) => `${prefixOf(partition)}pintexts:${upstream}`,
} as const;

/** Names that stand alone, each in whatever slot it falls. */
export const elsewhere = {
  /** `<key id> <partition>`. */
  digest: (digest: string) => `kg:digest:${digest}`,
  /** Partition of a key. */
  id: (id: string) => `kg:id:${id}`,
  once: (hash: string) => `kg:once:${hash}`,
  replay: (hash: string) => `kg:replay:${hash}`,
  /** Sorted set of all key ids, by name alone (score 0). */
  index: 'kg:{index}:keys',
  /** Stream of key changes that every replica follows. */
  changes: 'kg:{feed}:changes',
  /** Hash: replica to when it was last heard and what it has acted on. */
  replicas: 'kg:{feed}:replicas',
  /** Hash: schema, partitions, fingerprints. */
  meta: 'kg:{meta}:meta',
  duty: (name: string) => `kg:{duty}:${name}:holder`,
  progress: (name: string) => `kg:{duty}:${name}:progress`,
} as const;
