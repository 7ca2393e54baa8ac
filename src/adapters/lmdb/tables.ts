import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { CounterBook } from '../../domain/counters.ts';
import type { KeyRecord } from '../../domain/key.ts';
import type { Checkpoint } from '../../domain/record.ts';
import type { Factor } from '../../ports/factors.ts';
import type { Account } from '../../ports/ledger.ts';
import type { Attempt } from './attempt.ts';
import { createReadKey, type ReadKey } from './key-records.ts';
import type { DueKind, Ended, Hold } from './reservation.ts';
import type { KnownTotals } from './totals.ts';

/** Every named database of the one environment. They share transactions. */
export interface Tables {
  readonly root: RootDatabase;
  /** Schema version, epoch, journal head, gateway lock, fingerprints. */
  readonly meta: Database<unknown, string>;
  readonly keys: Database<KeyRecord, string>;
  readonly readKey: ReadKey;
  /** Digest to key id. */
  readonly digests: Database<string, string>;
  /** Key id to its counters. */
  readonly counters: Database<CounterBook, string>;
  /** Key id to what is known of its running totals, beside their counters. */
  readonly totals: Database<KnownTotals, string>;
  /** Key id to its second factor. */
  readonly factors: Database<Factor, string>;
  /** SHA-256 of an idempotency id to the attempt under it. */
  readonly replays: Database<Attempt, string>;
  readonly holds: Database<Hold, string>;
  readonly ended: Database<Ended, string>;
  readonly due: Database<true, [at: number, kind: DueKind, id: string]>;
  readonly accounts: Database<Account, string>;
  /** SHA-256 of account and reference to the amount credited. */
  readonly references: Database<number, string>;
  /** SHA-256 of a one-time id to when it may be forgotten. */
  readonly once: Database<number, string>;
  /** Sequence number to the record's exact text. */
  readonly journal: Database<string, number>;
  readonly checkpoints: Database<Checkpoint, number>;
}

/** Opens the environment in `folder` (created with mode 0600 files; the folder must exist). */
export function openTables(folder: string): Tables {
  const options = {
    path: folder,
    noSubdir: false,
    maxDbs: 24,
    permissionsMode: 0o600,
    // A commit is on the disk before its promise resolves (I1). Commits of many callers share one fdatasync.
    overlappingSync: false,
    // With batching by event turn, lmdb-js leaves a rejected promise of its own unhandled when a commit fails
    // (disk full), which would end the process; without it only the callers are told.
    eventTurnBatching: false,
  };
  const root = open(options);
  const json = <V, K extends string | number | [number, DueKind, string]>(name: string): Database<V, K> =>
    root.openDB<V, K>({ name, encoding: 'json' });
  const keys = json<KeyRecord, string>('keys');
  return {
    root,
    meta: json('meta'),
    keys,
    readKey: createReadKey(keys),
    digests: json('digests'),
    counters: json('counters'),
    totals: json('totals'),
    factors: json('factors'),
    replays: json('replays'),
    holds: json('holds'),
    ended: json('ended'),
    due: json('due'),
    accounts: json('accounts'),
    references: json('references'),
    once: json('once'),
    journal: root.openDB<string, number>({ name: 'journal', encoding: 'string' }),
    checkpoints: json('checkpoints'),
  };
}

/**
 * Runs `body` inside the write lock on the newest state and resolves once the commit is durable. Many callers share one
 * commit, so an exception does NOT undo what `body` wrote: it must check and compute everything before its first write.
 * @throws what `body` threw before its first write, or Error where the commit failed (nothing of it is kept)
 */
export async function commit<T>(tables: Tables, body: () => T): Promise<T> {
  try {
    return await tables.root.transaction(body);
  } catch (error) {
    const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined;
    if (!(reason instanceof Promise)) throw error;
    const cause: unknown = await reason.catch((failure: unknown) => failure);
    throw new Error('The store could not commit: is the disk full or failing?', { cause });
  }
}

/** LMDB's own name for the file in an environment's folder. */
export function dataFile(folder: string): string {
  return join(folder, 'data.mdb');
}
