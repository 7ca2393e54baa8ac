import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { createDuties } from '../../../src/adapters/redis/duties.ts';
import { createRedisLedger } from '../../../src/adapters/redis/ledger.ts';
import { createPins } from '../../../src/adapters/redis/pins.ts';
import { createReplays } from '../../../src/adapters/redis/replays.ts';
import { createWriteNames } from '../../../src/adapters/redis/write-names.ts';
import type { Calendar } from '../../../src/domain/calendar.ts';
import type { Ledger } from '../../../src/ports/ledger.ts';
import { plainCalendar, type SteppedClock, type Subject, testSigner, testThresholds } from '../../ports/subject.ts';
import type { TestRedis } from '../../support/redis-server.ts';
import { intakeJournal } from './intake-journal.ts';
import { type Life, openLife } from './life.ts';

/** A subject of the contract suites, and what its ports stand on. */
export interface RedisSubject extends Subject {
  readonly life: Life;
}

/** Empties the server and opens a store on it, as one gateway. */
export function openOn(server: () => Pick<TestRedis, 'url' | 'cli'>, options: Partial<LedgerOptions> = {}): () => Promise<RedisSubject> {
  return async () => {
    await server().cli('FLUSHALL');
    return openBeside(server(), options);
  };
}

/** Opens one gateway more on what stands on the server. */
export async function openBeside(server: Pick<TestRedis, 'url'>, options: Partial<LedgerOptions> = {}): Promise<RedisSubject> {
  const { name = 'test-life' } = options;
  const life = await openLife(server.url, {
    name,
    as: options.as ?? 'command',
    ...(options.clock && { clock: options.clock }),
    ...(options.wrap && { wrap: options.wrap }),
    ...(options.commandTimeoutMs && { commandTimeoutMs: options.commandTimeoutMs }),
  });
  const { connection, clock, keyring, factors } = life;
  const ledger = openLedger({ ...options, connection, clock, name });
  const replays = createReplays({ connection, nextName: createWriteNames(`${name} replays`) });
  const pins = createPins({ connection, clock, nextName: createWriteNames(`${name} pins`) });
  const duties = createDuties({ connection, instance: name });
  const journal = intakeJournal(connection);
  const { publicKeys } = testSigner();
  return { life, keyring, ledger, journal, factors, replays, pins, duties, clock, publicKeys, close: () => life.close() };
}

interface LedgerOptions {
  readonly name: string;
  /** Default `command`, which hears nothing of other processes. */
  readonly as: 'gateway' | 'command';
  readonly clock: SteppedClock;
  readonly calendar: Calendar;
  readonly thresholds: readonly number[];
  readonly wrap: (connection: Connection) => Connection;
  readonly commandTimeoutMs: number;
}

export function openLedger(options: Partial<LedgerOptions> & Pick<LedgerOptions, 'name' | 'clock'> & { connection: Connection }): Ledger {
  const { connection, clock, calendar = plainCalendar, name, thresholds = testThresholds } = options;
  return createRedisLedger({ connection, clock, calendar, instance: name, thresholds: () => thresholds });
}
