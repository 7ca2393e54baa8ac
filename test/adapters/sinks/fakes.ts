import type { RecordKind } from '../../../src/domain/record.ts';
import { chainRecord, firstPrev } from '../../../src/domain/record.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Duties } from '../../../src/ports/duties.ts';
import type { Journal, JournalLine } from '../../../src/ports/journal.ts';
import type { Log } from '../../../src/ports/observe.ts';

/** A journal in memory. What was appended can be read only after `head`, where `lazy` says so. */
export function fakeJournal(clock: Clock, { lazy = false } = {}) {
  const lines: JournalLine[] = [];
  let readable = lazy ? 0 : Number.POSITIVE_INFINITY;
  const journal = {
    heads: 0,
    broken: undefined as Error | undefined,
    append(kind: RecordKind, facts: Record<string, unknown> = {}, time = clock.now()): number {
      const seq = lines.length + 1;
      const { text } = chainRecord({ facts: { kind, ...facts }, partition: 'main', seq, time, prev: firstPrev });
      lines.push({ position: seq, text });
      return seq;
    },
    appendText(text: string): void {
      lines.push({ position: lines.length + 1, text });
    },
    async read({ after, limit }: { after: number; limit: number }): Promise<JournalLine[]> {
      if (journal.broken) throw journal.broken;
      return lines.filter(({ position }) => position > after && position <= readable).slice(0, limit);
    },
    async head(): Promise<number> {
      journal.heads += 1;
      if (lazy) readable = lines.length;
      return lines.length;
    },
  };
  return journal as typeof journal & Journal;
}

/** Duties that several processes share. */
export function fakeDuties() {
  const holders = new Map<string, string>();
  const progress = new Map<string, number>();
  const of = (process: string): Duties => ({
    async hold(name) {
      if (!holders.has(name)) holders.set(name, process);
      return holders.get(name) === process;
    },
    async release(name) {
      if (holders.get(name) === process) holders.delete(name);
    },
    progress: async (name) => progress.get(name) ?? 0,
    async advance(name, position) {
      progress.set(name, Math.max(position, progress.get(name) ?? 0));
    },
  });
  return { of, holders, progress };
}

export function fakeClock(now = 1_800_000_000_000) {
  let passed = 0;
  return {
    now: () => now + passed,
    monotonic: () => passed,
    pass(ms: number) {
      passed += ms;
    },
  };
}

export function fakeLog() {
  const lines: { level: string; message: string; facts: unknown }[] = [];
  const log: Log = {
    note: (message, facts) => void lines.push({ level: 'note', message, facts }),
    warn: (message, facts) => void lines.push({ level: 'warn', message, facts }),
    fault: (message, error, facts) => void lines.push({ level: 'fault', message: `${message}: ${String(error)}`, facts }),
  };
  return { log, lines };
}
