import { randomUUID } from 'node:crypto';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import type { Connection } from '../../../src/adapters/redis/connection.ts';
import { createDuties } from '../../../src/adapters/redis/duties.ts';
import { createRedisJournal } from '../../../src/adapters/redis/journal/journal.ts';
import { prefixOf } from '../../../src/adapters/redis/layout.ts';
import { loadScript } from '../../../src/adapters/redis/scripts.ts';
import type { RecordFacts } from '../../../src/domain/record.ts';
import { verifyLines } from '../../../src/domain/verify-journal.ts';
import type { Archive } from '../../../src/ports/archive.ts';
import type { Journal, JournalReport } from '../../../src/ports/journal.ts';
import { type SteppedClock, steppedClock, type testSigner } from '../../ports/subject.ts';

export type Signer = ReturnType<typeof testSigner>;

/** One process life as far as the journal goes. */
export interface JournalLife {
  readonly connection: Connection;
  readonly journal: Journal;
  readonly clock: SteppedClock;
  /** What the log was told as faults. */
  readonly told: string[];
  /** Appends through the intake, as the scripts of the ledger do. */
  append(partition: string, facts?: Partial<RecordFacts>, time?: number): Promise<void>;
  /** Appends several in one row. */
  appendRow(partition: string, all: readonly Partial<RecordFacts>[]): Promise<void>;
  /** The report of `journal verify`: checkpoints first, then every line, then what the store itself finds. */
  verify(): Promise<JournalReport>;
  close(): Promise<void>;
}

export async function openJournalLife(
  url: string,
  options: {
    signer: Signer;
    archive?: Archive;
    name?: string;
    clock?: SteppedClock;
    wrap?: (connection: Connection) => Connection;
  },
): Promise<JournalLife> {
  const { signer, archive, clock = steppedClock(), wrap = (connection) => connection } = options;
  const real = await openConnection(url);
  const connection = wrap(real);
  const told: string[] = [];
  const journal = createRedisJournal({
    connection,
    archive,
    duties: createDuties({ connection: real, instance: options.name ?? randomUUID() }),
    signer,
    publicKeys: () => signer.publicKeys,
    clock,
    log: {
      note: () => undefined,
      warn: () => undefined,
      fault: (message, error) => void told.push(`${message}: ${error instanceof Error ? error.message : String(error)}`),
    },
    newId: randomUUID,
  });
  const appendScript = loadScript('journal-append');
  const recordScript = loadScript('record');
  return {
    connection,
    journal,
    clock,
    told,
    async append(partition, facts = {}, time = clock.now()) {
      await real.run(appendScript, [prefixOf(partition)], [String(time), JSON.stringify({ kind: 'call.refused', ...facts })]);
    },
    async appendRow(partition, all) {
      const args = all.flatMap((facts) => [String(clock.now()), JSON.stringify({ kind: 'call.refused', ...facts })]);
      await real.run(recordScript, [prefixOf(partition)], args);
    },
    async verify() {
      const checkpoints = await journal.checkpoints();
      const lines = await everyLine(journal);
      const report = verifyLines(lines, { checkpoints, publicKeys: signer.publicKeys });
      const faults = [...report.faults, ...(await journal.faults())];
      return { ...report, ok: faults.length === 0, faults };
    },
    close: () => real.close(),
  };
}

export async function everyLine(journal: Pick<Journal, 'read'>, limit = 1000): Promise<string[]> {
  const lines: string[] = [];
  for (let after = 0; ; ) {
    const batch = await journal.read({ after, limit });
    for (const { position, text } of batch) {
      if (position <= after) throw new Error(`position ${position} comes after ${after}`);
      after = position;
      lines.push(text);
    }
    if (batch.length < limit) return lines;
  }
}

/** An archive in memory, which can be looked into and broken. */
export interface MemoryArchive extends Archive {
  readonly texts: Map<string, string>;
}

export function memoryArchive(name = 'the test archive'): MemoryArchive {
  const texts = new Map<string, string>();
  const numbers = (series: string) => [...texts.keys()].flatMap((key) => (key.startsWith(`${series} `) ? [Number(key.split(' ')[1])] : []));
  return {
    texts,
    put: async ({ series, number }, text) => {
      if (texts.has(`${series} ${number}`)) return false;
      texts.set(`${series} ${number}`, text);
      return true;
    },
    get: async ({ series, number }) => texts.get(`${series} ${number}`),
    newest: async (series) => Math.max(0, ...numbers(series)),
    remove: async ({ series, number }) => void texts.delete(`${series} ${number}`),
    describe: () => name,
  };
}

/** An archive whose process dies at the given call: before it, or after it was carried out. */
export function dying(archive: Archive, dies: (call: string) => 'before' | 'after' | undefined): Archive {
  const guard = async <Result>(call: string, act: () => Promise<Result>): Promise<Result> => {
    const when = dies(call);
    if (when === 'before') throw new Error(`died before ${call}`);
    const result = await act();
    if (when === 'after') throw new Error(`died after ${call}`);
    return result;
  };
  return {
    put: (name, text) => guard(`put ${name.series} ${name.number}`, () => archive.put(name, text)),
    get: (name) => guard(`get ${name.series} ${name.number}`, () => archive.get(name)),
    newest: (series) => guard(`newest ${series}`, () => archive.newest(series)),
    remove: (name) => guard(`remove ${name.series} ${name.number}`, () => archive.remove(name)),
    describe: () => archive.describe(),
  };
}
