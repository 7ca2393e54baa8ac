import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Calendar } from '../../domain/calendar.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';
import type { LedgerTerms } from './admit.ts';
import { checkFile, damaged } from './check-file.ts';
import { dump } from './dump.ts';
import { createDuties } from './duties.ts';
import { dataFile, type Environment, openEnvironment } from './environment.ts';
import { createFactors } from './factors.ts';
import { claimGateway, isGateway, releaseGateway, servingNow, type Worker } from './gateway-lock.ts';
import { createJournal, type Signer } from './journal.ts';
import { createKeyring } from './keyring.ts';
import { createLedger } from './ledger.ts';
import { createManifest, manifestFile } from './manifest.ts';
import { createPins } from './pins.ts';
import { createReplays } from './replays.ts';
import { restore } from './restore.ts';
import { requireWhole } from './restore-mark.ts';
import { captureHolds, orphanedHolds, sweepBatchMax } from './sweep.ts';
import type { Tables } from './tables.ts';

const schemaVersion = 6;
/**
 * A store of version 2 only lacks what is made when it is first needed: pins of tools. One of version 3 has one record and one hold an entry, which is
 * what a row of one looks like, and one of version 4 one ended reservation; but their own builds would not understand rows of several. One of version 5 has nothing ahead
 * of it, and its own build would not take in what is.
 */
const schemaVersionsBefore: readonly unknown[] = [2, 3, 4, 5];

/**
 * Opens or creates the embedded store in `folder` (mode 0700, its files 0600): one LMDB environment, shared by every process of one machine.
 * Local disks only. A process opens a store once.
 * @param options.instance  names this process life in the holds it takes; never used twice
 * @param options.serving  claims the gateway lock, then captures every hold that an earlier process life left behind
 * @param options.worker  serves for a gateway that has the lock, as one of several processes
 * @param options.alone  whether the gateway is one process, whose changes then go ahead of LMDB's commits (ADR 0020); so it is unless said
 * @param options.thresholds  percentages at which limits are reported in the journal, in rising order; asked anew by every commit
 * @throws Error where a file is damaged or missing, the schema is another, or another gateway is serving. Nothing is ever reset.
 */
export async function openStore(options: {
  folder: string;
  clock: Clock;
  calendar: Calendar;
  signer: Signer;
  instance: string;
  serving: boolean;
  worker?: Worker | undefined;
  alone?: boolean;
  thresholds: () => readonly number[];
}): Promise<Store> {
  const { folder, clock, calendar, signer, instance, serving, worker, alone = true, thresholds } = options;
  const environment = openFolder(folder, { clock, alone: alone && serving && !worker });
  const { tables } = environment;
  try {
    await checkSchema(tables);
    requireWhole(tables, folder);
    if (!existsSync(manifestFile(folder))) writeFileSync(manifestFile(folder), '', { mode: 0o600, flag: 'a' });
    if (serving) {
      await claimGateway(tables, instance, worker);
      environment.claimed(() => isGateway(tables, instance));
      // Once more: an import asks for gateways after it has set its mark.
      requireWhole(tables, folder);
      await captureOrphans(tables, { thresholds, now: clock.now() });
    }
  } catch (error) {
    await environment.close();
    throw error;
  }
  const manifest = createManifest(folder);
  return {
    keyring: createKeyring({ tables, clock }),
    ledger: createLedger({ tables, clock, calendar, owner: instance, thresholds }),
    journal: createJournal({ tables, manifest, signer }),
    factors: createFactors({ tables, clock }),
    replays: createReplays(tables),
    pins: createPins({ tables, clock }),
    duties: createDuties({
      ...{ tables, isGateway: () => isGateway(tables, instance) },
      among: worker && { instance, clock, serves: (life) => servingNow(tables).some((serving) => serving.instance === life) },
    }),
    trouble: environment.trouble,
    dump: (options) => dump(tables, options),
    restore: (restoring) => restore(tables, manifest, restoring),
    claimGateway: async () => {
      await claimGateway(tables, instance, worker);
      requireWhole(tables, folder);
    },
    fingerprint: (name, value) => keepFingerprint(tables, name, value),
    close: async () => {
      // A claim that cannot be given up, because the disk is full, ends with the process all the same.
      await tables.commit(() => releaseGateway(tables, instance)).catch(() => undefined);
      await environment.close();
    },
  };
}

function openFolder(folder: string, options: { clock: Clock; alone: boolean }): Environment {
  const inner = join(folder, 'store');
  const path = dataFile(inner);
  mkdirSync(inner, { recursive: true, mode: 0o700 });
  // The manifest is written after the first commit, so a manifest without a database means that the database was lost.
  if (!existsSync(path) && existsSync(manifestFile(folder))) throw damaged(path, `it is gone, although ${manifestFile(folder)} is there`);
  checkFile(path);
  try {
    return openEnvironment(inner, options);
  } catch (error) {
    // Of the system, about the file ahead of the database: no room, or no right.
    if (error instanceof Error && 'syscall' in error)
      throw new Error(`The store in ${inner} cannot be opened: ${error.message}.`, { cause: error });
    throw damaged(path, `LMDB cannot open it or its lock file (${error instanceof Error ? error.message : String(error)})`, error);
  }
}

async function checkSchema(tables: Tables): Promise<void> {
  await tables.commit(() => {
    const found = tables.meta.get('schema');
    if (found === undefined || schemaVersionsBefore.includes(found)) tables.meta.put('schema', schemaVersion);
    else if (found !== schemaVersion) {
      throw new Error(
        `The store has schema version ${JSON.stringify(found)}; this build reads ${schemaVersion}. Run the release it belongs to, or ` +
          'configure another folder for a new store.',
      );
    }
  });
}

/** Whoever serves has said so in the store, so a hold of any other process life has nobody left to settle it. */
async function captureOrphans(tables: Tables, { thresholds, now }: Pick<LedgerTerms, 'thresholds'> & { now: number }): Promise<void> {
  const serving = () => new Set(servingNow(tables).map(({ instance }) => instance));
  const seen = serving();
  const orphans = orphanedHolds(tables, (owner) => !seen.has(owner));
  for (let from = 0; from < orphans.length; from += sweepBatchMax) {
    await tables.commit(() => {
      // Another worker may have begun to serve since.
      const owners = serving();
      const still = orphans.slice(from, from + sweepBatchMax).filter((id) => !owners.has(tables.holds.get(id)?.owner ?? ''));
      return captureHolds(tables, still, { thresholds, now });
    });
  }
}

async function keepFingerprint(tables: Tables, name: string, value: string): Promise<void> {
  const key = `fingerprint ${name}`;
  await tables.commit(() => {
    const kept = tables.meta.get(key);
    if (kept === undefined) tables.meta.put(key, value);
    else if (kept !== value) {
      throw new Error(`The ${name} configured is not the one that this store was made with. Configure that one, or another store.`);
    }
  });
}
