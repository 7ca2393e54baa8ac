import { join } from 'node:path';
import { type Database, open } from 'lmdb';
import { createTimeTexts } from '../../domain/time-texts.ts';
import type { Clock } from '../../ports/clock.ts';
import { damaged } from './check-file.ts';
import { createCommitMark } from './commit-mark.ts';
import { createCommits } from './commits.ts';
import { type EndedRow, endedRows } from './ended-rows.ts';
import { type Gathered, type Gathering, gathered } from './gathered.ts';
import { createGathering } from './gathering.ts';
import { holdRows } from './hold-rows.ts';
import { journalRows } from './journal-rows.ts';
import { createKeyRecords } from './key-records.ts';
import type { DueIds, DueKey, Ended } from './reservation.ts';
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
    // LMDB writes the list of free pages that it has loaded back with each commit. An import or a pruning leaves hundreds of thousands of them, apart from
    // each other, and every call then paid for that list (measured: the thread that commits took 15 to 90 µs a call). What is not loaded is not lost.
    maxFreeSpaceToLoad: 1_000,
    maxFreeSpaceToRetain: 2_000,
  };
  const root = open(options);
  let failedAt = Number.NEGATIVE_INFINITY;
  const json = <V, K extends string | number | DueKey | CheckpointKey>(name: string): Database<V, K> =>
    root.openDB<V, K>({ name, encoding: 'json' });
  const texts = <K extends string | number>(name: string): Database<string, K> => root.openDB<string, K>({ name, encoding: 'string' });
  const all: Gathering[] = [];
  const gather = <T extends Gathering>(table: T): T => {
    all.push(table);
    return table;
  };
  /** A table whose entries are changed again and again. */
  const busy = <V>(under: Database<V, string>): Gathered<V> => gather(gathered<V>(under));
  const failed = async (error: unknown): Promise<unknown> => {
    const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined;
    if (!(reason instanceof Promise)) return error;
    failedAt = clock.monotonic();
    const cause: unknown = await reason.catch((failure: unknown) => failure);
    return new Error(commitFailed, { cause });
  };
  const wrong = (problem: string) => damaged(dataFile(folder), problem);
  const keys = gather(createKeyRecords(json('keys')));
  const meta = json<unknown, string>('meta');
  const due = json<DueIds, DueKey>('due');
  const atOnce = createGathering(all, createCommitMark(meta));
  const tables: Tables = {
    meta: busy(meta),
    keys,
    readKey: keys.read,
    digests: json('digests'),
    counters: busy(json('counters')),
    totals: busy(json('totals')),
    factors: json('factors'),
    pins: json('pins'),
    pinTexts: json('pin texts'),
    replays: json('replays'),
    holds: gather(holdRows(texts<string>('holds'), wrong)),
    ended: gather(endedRows(json<EndedRow | Ended, string>('ended'), due)),
    due,
    accounts: busy(json('accounts')),
    references: json('references'),
    once: json('once'),
    journal: gather(journalRows(texts<number>('journal'), wrong)),
    checkpoints: json('checkpoints'),
    commit: createCommits({ transaction: (body) => root.transaction(body), gather: atOnce, failed, clock }),
    timeText: createTimeTexts(),
    refresh: () => root.resetReadTxn(),
  };
  return {
    tables,
    commitNow: (body) => root.transactionSync(() => atOnce(body)),
    trouble: () => (clock.monotonic() - failedAt < troubleMs ? commitFailed : undefined),
    close: () => root.close(),
  };
}

const commitFailed = 'The store could not commit: is the disk full or failing?';

/** LMDB's own name for the file in an environment's folder. */
export function dataFile(folder: string): string {
  return join(folder, 'data.mdb');
}
