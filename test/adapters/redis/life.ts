import { openConnection } from '../../../src/adapters/redis/connect.ts';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { createFactors } from '../../../src/adapters/redis/factors.ts';
import { createFeed, type Feed } from '../../../src/adapters/redis/feed.ts';
import { entriesOfRow, factsOfEntry } from '../../../src/adapters/redis/journal-entry.ts';
import { createKeyRecords } from '../../../src/adapters/redis/key-records.ts';
import { createKeyring } from '../../../src/adapters/redis/keyring.ts';
import { everyPartition, inPartition } from '../../../src/adapters/redis/layout.ts';
import { createWriteNames } from '../../../src/adapters/redis/write-names.ts';
import type { RecordFacts } from '../../../src/domain/record.ts';
import type { Factors } from '../../../src/ports/factors.ts';
import type { Keyring } from '../../../src/ports/keyring.ts';
import { type SteppedClock, steppedClock } from '../../ports/subject.ts';

/** One process life as far as keys go: a connection, a feed and the ports on them. */
export interface Life {
  readonly name: string;
  readonly connection: Connection;
  readonly feed: Feed;
  readonly keyring: Keyring;
  readonly factors: Factors;
  readonly clock: SteppedClock;
  close(): Promise<void>;
}

/**
 * @param options.as  `gateway` listens and acknowledges, `listener` listens, `command` does neither
 * @param options.wrap  stands between the ports and the connection, to lose or delay what is sent
 */
export async function openLife(
  url: string,
  options: {
    name: string;
    as: 'gateway' | 'listener' | 'command';
    clock?: SteppedClock;
    wrap?: (connection: Connection) => Connection;
    commandTimeoutMs?: number;
  },
): Promise<Life> {
  const { name, as, clock = steppedClock(), wrap = (connection) => connection, commandTimeoutMs = 2000 } = options;
  const real = await openConnection(url, { commandTimeoutMs });
  const connection = wrap(real);
  const feed = createFeed({ connection, clock, instance: name });
  const records = createKeyRecords(connection);
  const nextName = createWriteNames(name);
  const keyring = createKeyring({ connection, clock, feed, records, nextName });
  const factors = createFactors({ connection, clock, records, nextName });
  if (as === 'gateway') await feed.join();
  if (as === 'listener') await feed.start();
  const close = async () => {
    await feed.close();
    await real.close();
  };
  return { name, connection, feed, keyring, factors, clock, close };
}

/** A connection on which some scripts fail without being sent, as where the process dies before it sends them. */
export function dyingAt(dies: (script: string, args: readonly string[]) => boolean): (connection: Connection) => Connection {
  return (connection) => ({
    ...connection,
    run: async (script, keys, args) => {
      if (dies(script.name, args)) throw new Error('this process died');
      return connection.run(script, keys, args);
    },
  });
}

/** A connection on which something happens before a script is sent, once for each name. */
export function interrupted(before: Record<string, () => Promise<unknown>>): (connection: Connection) => Connection {
  const left = new Map(Object.entries(before));
  return (connection) => ({
    ...connection,
    run: async (script, keys, args) => {
      const interruption = left.get(script.name);
      left.delete(script.name);
      await interruption?.();
      return connection.run(script, keys, args);
    },
  });
}

/** A connection that sends every script twice and gives the second answer, as where the first one was lost. */
export function resending(connection: Connection): Connection {
  return {
    ...connection,
    run: async (script, keys, args) => {
      await connection.run(script, keys, args);
      return connection.run(script, keys, args);
    },
  };
}

/** What stands in the intake of every partition, partition by partition. */
export async function intakeOf({ client }: Pick<Connection, 'client'>): Promise<RecordFacts[]> {
  const streams = await Promise.all(everyPartition().map((partition) => client.xrange(inPartition.journal(partition), '-', '+')));
  return streams.flat().flatMap(([id, fields]) => (entriesOfRow(id, fields) ?? []).map((entry) => factsOfEntry(entry).facts));
}
