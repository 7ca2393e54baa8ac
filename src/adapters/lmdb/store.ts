import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Calendar } from '../../domain/calendar.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Factors } from '../../ports/factors.ts';
import type { Journal } from '../../ports/journal.ts';
import type { Keyring } from '../../ports/keyring.ts';
import type { Ledger } from '../../ports/ledger.ts';
import type { Replays } from '../../ports/replays.ts';
import { checkFile, damaged } from './check-file.ts';
import { createFactors } from './factors.ts';
import { claimGateway, releaseGateway } from './gateway-lock.ts';
import { createJournal, type Signer } from './journal.ts';
import { createKeyring } from './keyring.ts';
import { createLedger } from './ledger.ts';
import { manifestFile } from './manifest.ts';
import { createReplays } from './replays.ts';
import { captureHolds, orphanedHolds, sweepBatchMax } from './sweep.ts';
import { commit, dataFile, openTables, type Tables } from './tables.ts';

/** The embedded store: one folder, one LMDB environment, shared by every process of one machine. Local disks only. */
export interface Store {
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly journal: Journal;
  readonly factors: Factors;
  readonly replays: Replays;
  /** Makes this process life the one gateway of the store. @throws Error where another live gateway holds it */
  claimGateway(): void;
  /** The first call keeps the value under the name; a later one with another value throws: it is not the store of this configuration. */
  fingerprint(name: string, value: string): void;
  /** Waits for running commits, gives the gateway claim up, closes. */
  close(): Promise<void>;
}

const schemaVersion = 1;

/**
 * Opens or creates the store in `folder` (mode 0700, its files 0600). A process opens a store once.
 * @param options.instance  names this process life in the holds it takes; never used twice
 * @param options.serving  claims the gateway lock, then captures every hold that an earlier process life left behind
 * @throws Error where a file is damaged or missing, the schema is another, or another gateway is serving. Nothing is ever reset.
 */
export function openStore(options: {
  folder: string;
  clock: Clock;
  calendar: Calendar;
  signer: Signer;
  instance: string;
  serving: boolean;
}): Store {
  const { folder, clock, calendar, signer, instance, serving } = options;
  const tables = openFolder(folder);
  const claim = (): void => claimGateway(tables, instance);
  try {
    checkSchema(tables);
    if (!existsSync(manifestFile(folder))) writeFileSync(manifestFile(folder), '', { mode: 0o600, flag: 'a' });
    if (serving) {
      claim();
      captureOrphans(tables, { instance, now: clock.now() });
    }
  } catch (error) {
    void tables.root.close();
    throw error;
  }
  return {
    keyring: createKeyring({ tables, clock }),
    ledger: createLedger({ tables, clock, calendar, instance }),
    journal: createJournal({ tables, folder, signer }),
    factors: createFactors({ tables, clock }),
    replays: createReplays(tables),
    claimGateway: claim,
    fingerprint: (name, value) => keepFingerprint(tables, name, value),
    close: async () => {
      // A claim that cannot be given up, because the disk is full, ends with the process all the same.
      await commit(tables, () => releaseGateway(tables, instance)).catch(() => undefined);
      await tables.root.close();
    },
  };
}

function openFolder(folder: string): Tables {
  const inner = join(folder, 'store');
  const path = dataFile(inner);
  mkdirSync(inner, { recursive: true, mode: 0o700 });
  // The manifest is written after the first commit, so a manifest without a database means that the database was lost.
  if (!existsSync(path) && existsSync(manifestFile(folder))) throw damaged(path, `it is gone, although ${manifestFile(folder)} is there`);
  checkFile(path);
  try {
    return openTables(inner);
  } catch (error) {
    throw damaged(path, `LMDB cannot open it or its lock file (${error instanceof Error ? error.message : String(error)})`, error);
  }
}

function checkSchema(tables: Tables): void {
  tables.root.transactionSync(() => {
    const found = tables.meta.get('schema');
    if (found === undefined) tables.meta.put('schema', schemaVersion);
    else if (found !== schemaVersion) {
      throw new Error(
        `The store has schema version ${JSON.stringify(found)}; this build reads ${schemaVersion}. Run the release it belongs to.`,
      );
    }
  });
}

/** There is one gateway, so a hold of another process life has nobody left to settle it. */
function captureOrphans(tables: Tables, { instance, now }: { instance: string; now: number }): void {
  const orphans = orphanedHolds(tables, (owner) => owner !== instance);
  for (let from = 0; from < orphans.length; from += sweepBatchMax) {
    tables.root.transactionSync(() => captureHolds(tables, orphans.slice(from, from + sweepBatchMax), now));
  }
}

function keepFingerprint(tables: Tables, name: string, value: string): void {
  const key = `fingerprint ${name}`;
  tables.root.transactionSync(() => {
    const kept = tables.meta.get(key);
    if (kept === undefined) tables.meta.put(key, value);
    else if (kept !== value) {
      throw new Error(`The ${name} configured is not the one that this store was made with. Configure that one, or another store.`);
    }
  });
}
