import { join } from 'node:path';
import { type Database, open } from 'lmdb';
import type { KeyRecord } from '../../domain/key.ts';
import type { Clock } from '../../ports/clock.ts';
import { createCommits } from './commits.ts';
import { type Gathered, type Gathering, gathered } from './gathered.ts';
import { createReadKey } from './key-records.ts';
import type { DueKind } from './reservation.ts';
import type { CheckpointKey, Tables } from './tables.ts';

/** The tables, and what only their owner does with them. */
export interface Environment {
  readonly tables: Tables;
  /** Runs `body` as a commit in this very turn, for acts of opening a store. An exception undoes what it wrote. */
  commitNow<T>(body: () => T): T;
  /** What went wrong with a commit a moment ago; undefined where none failed lately. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/** A failed commit counts as trouble for this long, in milliseconds, unless another one fails in that time. */
const troubleMs = 10_000;

/** Opens the environment in `folder` (created with mode 0600 files; the folder must exist). */
export function openEnvironment(folder: string, clock: Clock): Environment {
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
  let failedAt = Number.NEGATIVE_INFINITY;
  const json = <V, K extends string | number | [number, DueKind, string] | CheckpointKey>(name: string): Database<V, K> =>
    root.openDB<V, K>({ name, encoding: 'json' });
  const all: Gathering[] = [];
  /** A table whose entries are changed again and again. */
  const busy = <V>(name: string): Gathered<V> => {
    const table = gathered<V>(json<V, string>(name));
    all.push(table);
    return table;
  };
  const failed = async (error: unknown): Promise<unknown> => {
    const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined;
    if (!(reason instanceof Promise)) return error;
    failedAt = clock.monotonic();
    const cause: unknown = await reason.catch((failure: unknown) => failure);
    return new Error(commitFailed, { cause });
  };
  const keys = json<KeyRecord, string>('keys');
  const tables: Tables = {
    meta: busy('meta'),
    keys,
    readKey: createReadKey(keys),
    digests: json('digests'),
    counters: busy('counters'),
    totals: busy('totals'),
    factors: json('factors'),
    pins: json('pins'),
    pinTexts: json('pin texts'),
    replays: json('replays'),
    holds: busy('holds'),
    ended: busy('ended'),
    due: json('due'),
    accounts: busy('accounts'),
    references: json('references'),
    once: json('once'),
    journal: root.openDB<string, number>({ name: 'journal', encoding: 'string' }),
    checkpoints: json('checkpoints'),
    commit: createCommits({ transaction: (body) => root.transaction(body), gathered: all, failed }),
    refresh: () => root.resetReadTxn(),
  };
  return {
    tables,
    commitNow: (body) => root.transactionSync(body),
    trouble: () => (clock.monotonic() - failedAt < troubleMs ? commitFailed : undefined),
    close: () => root.close(),
  };
}

const commitFailed = 'The store could not commit: is the disk full or failing?';

/** LMDB's own name for the file in an environment's folder. */
export function dataFile(folder: string): string {
  return join(folder, 'data.mdb');
}
