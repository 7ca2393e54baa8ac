import type { KeyObject } from 'node:crypto';
import type { Calendar } from '../../domain/calendar.ts';
import type { LineSigner } from '../../domain/signed-line.ts';
import type { Archive } from '../../ports/archive.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/observe.ts';
import { type Store, StoreUnreachable } from '../../ports/store.ts';
import { dump } from './dump.ts';
import { connectDurably } from './durability.ts';
import { createDuties } from './duties.ts';
import { createFactors } from './factors.ts';
import { createFeed } from './feed.ts';
import type { Durability } from './fitness.ts';
import { createRedisJournal } from './journal/journal.ts';
import { createKeyRecords } from './key-records.ts';
import { createKeyring } from './keyring.ts';
import { withLeases } from './leased-ledger.ts';
import { createRedisLedger } from './ledger.ts';
import { checkSchema, keepFingerprint } from './meta.ts';
import { createPins } from './pins.ts';
import { tellRefusedWrites } from './refused-writes.ts';
import { createReplays } from './replays.ts';
import { restore } from './restore.ts';
import { requireWhole } from './restore-mark.ts';
import { isPassing } from './startup.ts';
import { createRedisThrottle } from './throttle.ts';
import { createWriteNames } from './write-names.ts';

/**
 * Opens the store on Redis or Valkey that any number of gateways share: single, behind Sentinel, or a cluster.
 * @param options.instance  names this process life, to operators too; never used twice
 * @param options.serving  this process becomes one of the gateways whose acknowledgement a revocation waits for
 * @param options.archive  where the sealed journal is kept; absent: in Redis itself
 * @param options.thresholds  percentages at which limits are reported in the journal, in rising order
 * @throws StoreUnreachable where trying again may help; Error that says what to do where the server or the store on it must not be used
 */
export async function openRedisStore(options: {
  url: string;
  durability: Durability;
  commandTimeoutMs: number;
  archive: Archive | undefined;
  clock: Clock;
  calendar: Calendar;
  signer: LineSigner;
  publicKeys: () => ReadonlyMap<string, KeyObject>;
  instance: string;
  newId: () => string;
  serving: boolean;
  thresholds: () => readonly number[];
  log: Log;
}): Promise<Store> {
  const { url, clock, calendar, instance, serving, thresholds, ...rest } = options;
  const connection = tellRefusedWrites(await connectDurably(url, { ...rest, now: () => clock.now() }), clock);
  const feed = createFeed({ connection, clock, instance });
  const close = async (): Promise<void> => {
    await feed.close();
    await connection.close();
  };
  const join = async (): Promise<void> => {
    await feed.join();
    // Once more: an import asks for gateways after it has set its mark.
    await requireWhole(connection);
  };
  try {
    await checkSchema(connection);
    await requireWhole(connection);
    if (serving) await join();
  } catch (error) {
    // A server that went away meanwhile has said nothing about the store on it.
    const trouble = connection.trouble();
    await close();
    if (trouble !== undefined) throw new StoreUnreachable(trouble, { cause: error });
    throw error instanceof Error && isPassing(error.message) ? new StoreUnreachable(error.message, { cause: error }) : error;
  }
  const counting = { connection, clock, calendar, instance, thresholds };
  const leased = withLeases(createRedisLedger(counting), counting);
  const records = createKeyRecords(connection);
  const nextName = createWriteNames(instance);
  const duties = createDuties({ connection, instance });
  return {
    keyring: createKeyring({ connection, clock, feed, records, nextName }),
    ledger: leased.ledger,
    journal: createRedisJournal({ ...rest, connection, duties, clock }),
    factors: createFactors({ connection, clock, records, nextName }),
    replays: createReplays({ connection, nextName }),
    pins: createPins({ connection, clock, nextName }),
    duties,
    throttle: createRedisThrottle({ connection, clock }),
    trouble: () => connection.trouble(),
    dump: (asked) => dump({ connection, clock }, asked),
    restore: (restoring) => restore({ ...rest, connection, clock }, restoring),
    claimGateway: join,
    fingerprint: (name, value) => keepFingerprint(connection, name, value),
    close: async () => {
      await leased.close();
      await close();
    },
  };
}
