import { join } from 'node:path';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { CounterBook } from '../../domain/counters.ts';
import { createTimeTexts } from '../../domain/time-texts.ts';
import type { KnownTotal } from '../../domain/totals.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Account } from '../../ports/ledger.ts';
import { damaged } from './check-file.ts';
import { createCommitMark } from './commit-mark.ts';
import { createCommits } from './commits.ts';
import { AheadCommits } from './commits-ahead.ts';
import { type EndedRow, endedRows } from './ended-rows.ts';
import { type Gathered, type Gathering, gathered } from './gathered.ts';
import { holdRows } from './hold-rows.ts';
import { journalRows } from './journal-rows.ts';
import { createKeyRecords } from './key-records.ts';
import type { DueIds, DueKey, Ended } from './reservation.ts';
import { createRounds, type Rounds, untold } from './rounds.ts';
import type { CheckpointKey, Table, Tables } from './tables.ts';
import { fenceAhead, openWriteAhead, type WriteAhead } from './write-ahead.ts';

/** The tables, and what only their owner does with them. */
export interface Environment {
  readonly tables: Tables;
  /** This process is the one gateway from now on. @param still whether it has the claim, as the store says */
  claimed(still: () => boolean): void;
  /** What went wrong with a commit a moment ago; undefined where none failed lately. */
  trouble(): string | undefined;
  close(): Promise<void>;
}

/** A failed commit counts as trouble for this long, in milliseconds, unless another one fails in that time. */
const troubleMs = 10_000;

/**
 * Opens the environment in `folder` (created with mode 0600 files; the folder must exist).
 * @param options.alone whether no other process serves from the store, so that its changes may go ahead of LMDB's commits (ADR 0020)
 */
export function openEnvironment(folder: string, { clock, alone }: { clock: Clock; alone: boolean }): Environment {
  const root = open(options(folder));
  const failures = createFailures(clock);
  const json = <V, K extends string | number | DueKey | CheckpointKey>(name: string): Database<V, K> =>
    root.openDB<V, K>({ name, encoding: 'json' });
  const texts = <K extends string | number>(name: string): Database<string, K> => root.openDB<string, K>({ name, encoding: 'string' });
  // The tables are made before what they are part of.
  let rounds: Rounds | undefined;
  const aside = (): void => rounds?.aside();
  /** A table whose entries are changed again and again. */
  const busy = <V>(name: string): Gathered<V> => gathered<V>(json<V, string>(name));
  const rare = <V, K extends string | DueKey | CheckpointKey>(name: string): Table<V, K> => untold(json<V, K>(name), aside);
  const wrong = (problem: string) => damaged(dataFile(folder), problem);
  const notes = json<unknown, string>('meta');
  const due = json<DueIds, DueKey>('due');
  const told = {
    m: gathered<unknown>(notes),
    c: busy<CounterBook>('counters'),
    t: busy<Readonly<Record<string, KnownTotal>>>('totals'),
    a: busy<Account>('accounts'),
    h: holdRows(texts<string>('holds'), wrong),
    e: endedRows(json<EndedRow | Ended, string>('ended'), { due, aside }),
    j: journalRows(texts<number>('journal'), { damaged: wrong, aside }),
  };
  const keys = createKeyRecords(json('keys'), aside);
  const aheadFile = join(folder, 'ahead');
  const mark = createCommitMark(notes);
  const isNow = (base: string): boolean => {
    root.resetReadTxn();
    return mark.stored() === base;
  };
  let hasClaim = (): boolean => false;
  let claimed = false;
  const ahead = alone ? openWriteAhead(aheadFile, isNow) : undefined;
  const all = createRounds({
    tables: [...Object.values(told), keys] satisfies Gathering[],
    told,
    mark,
    notes,
    mayGoAhead() {
      // Once another process took it, whatever made it think that this one is gone, this one goes ahead no more.
      claimed &&= hasClaim();
      return claimed;
    },
    // Once the claim is this process' own nobody else appends, so there is nobody to be told.
    fence: (base) => (ahead && claimed ? ahead.texts(base) : fenceAhead(aheadFile, base)),
    ...(ahead && { ahead: ahead.texts }),
  });
  rounds = all;
  const commits = commitsOf({ root, rounds: all, failed: failures.told, clock, ahead });
  const tables: Tables = {
    meta: told.m,
    keys,
    readKey: keys.read,
    digests: rare('digests'),
    counters: told.c,
    totals: told.t,
    factors: rare('factors'),
    pins: rare('pins'),
    pinTexts: rare('pin texts'),
    replays: rare('replays'),
    holds: told.h,
    ended: told.e,
    due: untold(due, aside),
    accounts: told.a,
    references: rare('references'),
    once: rare('once'),
    journal: told.j,
    checkpoints: rare('checkpoints'),
    commit: commits.commit,
    requireTransaction: aside,
    readable: () => commits.readable(),
    catchUp: () => commits.catchUp(),
    timeText: createTimeTexts(),
    refresh: () => root.resetReadTxn(),
  };
  let closed: Promise<void> | undefined;
  const closeAll = async (): Promise<void> => {
    await commits.finish();
    ahead?.close();
    await root.close();
  };
  return {
    tables,
    trouble: failures.trouble,
    claimed(still) {
      hasClaim = still;
      claimed = true;
    },
    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}

function options(folder: string) {
  return {
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
}

function commitsOf(options: {
  root: Pick<RootDatabase, 'transaction'>;
  rounds: Rounds;
  failed: (error: unknown) => Promise<unknown>;
  clock: Clock;
  ahead: WriteAhead | undefined;
}): Pick<AheadCommits, 'commit' | 'readable' | 'catchUp' | 'finish'> {
  const { root, rounds, ahead, ...others } = options;
  const transaction = (body: () => void): Promise<unknown> => root.transaction(body);
  if (ahead) return new AheadCommits({ transaction, rounds, ahead, ...others });
  const nothing = async (): Promise<void> => undefined;
  return { commit: createCommits({ transaction, gather: rounds.run, ...others }), readable: nothing, catchUp: nothing, finish: nothing };
}

/** Remembers for a while that a commit failed, and says why. */
function createFailures(clock: Pick<Clock, 'monotonic'>) {
  let failedAt = Number.NEGATIVE_INFINITY;
  return {
    async told(error: unknown): Promise<unknown> {
      const reason = error instanceof Error && 'commitError' in error ? error.commitError : undefined;
      if (!(reason instanceof Promise)) return error;
      failedAt = clock.monotonic();
      const cause: unknown = await reason.catch((failure: unknown) => failure);
      return new Error(commitFailed, { cause });
    },
    trouble: () => (clock.monotonic() - failedAt < troubleMs ? commitFailed : undefined),
  };
}

const commitFailed = 'The store could not commit: is the disk full or failing?';

/** LMDB's own name for the file in an environment's folder. */
export function dataFile(folder: string): string {
  return join(folder, 'data.mdb');
}
