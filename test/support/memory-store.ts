import { dump } from '../../src/adapters/lmdb/dump.ts';
import { createDuties } from '../../src/adapters/lmdb/duties.ts';
import { createFactors } from '../../src/adapters/lmdb/factors.ts';
import { createJournal, type Signer } from '../../src/adapters/lmdb/journal.ts';
import { createKeyring } from '../../src/adapters/lmdb/keyring.ts';
import { createLedger } from '../../src/adapters/lmdb/ledger.ts';
import { createPins } from '../../src/adapters/lmdb/pins.ts';
import { createReplays } from '../../src/adapters/lmdb/replays.ts';
import { restore } from '../../src/adapters/lmdb/restore.ts';
import type { Calendar } from '../../src/domain/calendar.ts';
import type { Checkpoint } from '../../src/domain/record.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Store } from '../../src/ports/store.ts';
import { memoryTables } from './memory-store-tables.ts';

/** A store that is forgotten with its process: the embedded store's rules over plain maps, without a disk. For tests; deterministic. */
export function openMemoryStore(options: {
  clock: Clock;
  calendar: Calendar;
  signer: Signer;
  thresholds?: () => readonly number[];
  instance?: string;
}): Store {
  const { clock, calendar, signer, thresholds = () => [50, 80, 100], instance = 'memory' } = options;
  const tables = memoryTables();
  const checkpoints: Checkpoint[] = [];
  const fingerprints = new Map<string, string>();
  const manifest = {
    append: async (more: readonly Checkpoint[]) => {
      checkpoints.push(...more);
    },
    read: () => [...checkpoints],
  };
  return {
    keyring: createKeyring({ tables, clock }),
    ledger: createLedger({ tables, clock, calendar, owner: instance, thresholds }),
    journal: createJournal({ tables, manifest, signer }),
    factors: createFactors({ tables, clock }),
    replays: createReplays(tables),
    pins: createPins({ tables, clock }),
    duties: createDuties({ tables, isGateway: () => true }),
    trouble: () => undefined,
    dump: (options) => dump(tables, options),
    restore: (restoring) => restore(tables, manifest, restoring),
    claimGateway: async () => undefined,
    fingerprint: async (name, value) => {
      if ((fingerprints.get(name) ?? value) !== value)
        throw new Error(`The ${name} configured is not the one that this store was made with.`);
      fingerprints.set(name, value);
    },
    close: async () => undefined,
  };
}
