import type { Archive } from '../../ports/archive.ts';
import type { Connection } from './connection.ts';
import { scanNames } from './dump-names.ts';
import { elsewhere } from './layout.ts';
import { loadScript } from './scripts.ts';

const mark = 'import';
/** A gateway that was silent for longer is taken for dead, in ms, as revocations do. */
const deadMs = 10_000;

/** @throws Error where an import began and did not end: what it left must not be used */
export async function requireWhole({ client }: Pick<Connection, 'client'>): Promise<void> {
  if ((await client.hget(elsewhere.meta, mark)) === null) return;
  throw new Error(
    'An import into this store is running, or was broken off and left a part of it. If none is running, empty the Redis database (FLUSHDB; in a ' +
      'cluster on every master) and the archive of the journal, if one is configured, then import again.',
  );
}

/** @throws Error where a gateway is serving, or was a moment ago */
export async function requireNoReplica(connection: Connection, act: 'export' | 'import'): Promise<void> {
  const rows = (await connection.run(loadScript('feed-replicas'), [elsewhere.replicas], [String(deadMs)])) as string[];
  const count = rows.length / 3;
  if (count === 0) return;
  throw new Error(
    `${count} ${count === 1 ? 'gateway serves' : 'gateways serve'} from this store, or did until a moment ago. Stop them, wait ` +
      `${deadMs / 1000} seconds where one was killed, then ${act} again.`,
  );
}

/**
 * Marks the store as one that nobody may open.
 * @param options.name  names this import, never used twice
 * @throws Error, before any write, where the store is not empty, has a gateway, or keeps another fingerprint
 */
export async function beginRestore(
  connection: Connection,
  { archive, fingerprints, name }: { archive: Archive; fingerprints: ReadonlyMap<string, string>; name: string },
): Promise<void> {
  await requireNoReplica(connection, 'import');
  await requireEmpty(connection, archive);
  const kept = await connection.client.hgetall(elsewhere.meta);
  for (const [fingerprint, value] of fingerprints) {
    if ((kept[`fingerprint ${fingerprint}`] ?? value) === value) continue;
    throw new Error(`The ${fingerprint} configured is not the one that the exported store was made with. Configure that one.`);
  }
  const keep = loadScript('meta-keep');
  if ((await connection.run(keep, [elsewhere.meta], [mark, name])) !== name) throw new Error('Another import into this store is running.');
  for (const [fingerprint, value] of fingerprints) await connection.run(keep, [elsewhere.meta], [`fingerprint ${fingerprint}`, value]);
  // Once more: a gateway looks for the mark after it has joined.
  await requireNoReplica(connection, 'import');
}

/** Lets everybody in. */
export async function endRestore(connection: Connection): Promise<void> {
  await connection.run(loadScript('restore-put'), [elsewhere.meta], ['2', 'HDEL', '', mark]);
}

async function requireEmpty(connection: Connection, archive: Archive): Promise<void> {
  const why = 'An import needs one in which nothing was ever kept, not even a key: use another database, or empty this one (FLUSHDB).';
  for await (const name of scanNames(connection)) {
    if (name !== elsewhere.meta) throw new Error(`The store is not empty: it holds ${JSON.stringify(name)}. ${why}`);
  }
  if ((await archive.newest('segments')) > 0 || (await archive.newest('anchors')) > 0) {
    throw new Error(`The store is not empty: ${archive.describe()} holds a journal. ${why}`);
  }
}
