import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { verifyLines } from '../../../src/domain/verify-journal.ts';
import type { Store } from '../../../src/ports/store.ts';
import { chargesOf, linesOf, micros, recordsOf, start, testKey } from '../../ports/subject.ts';

const caller = fileURLToPath(new URL('caller.ts', import.meta.url));

export interface CallerRun {
  readonly lines: string[];
  readonly signal: NodeJS.Signals | null;
  readonly code: number | null;
}

/** Runs caller.ts to its end, or kills it once it has said `killAfter` lines. */
export async function runCaller(options: {
  folder: string;
  serving?: boolean;
  calls: number;
  concurrency?: number;
  prefix: string;
  killAfter?: number;
  fileBlocksMax?: number;
}): Promise<CallerRun> {
  const { folder, serving = false, calls, concurrency = 8, prefix, killAfter, fileBlocksMax } = options;
  const args = [caller, folder, serving ? 'serving' : 'beside', `${calls}`, `${concurrency}`, prefix];
  const child: ChildProcess =
    fileBlocksMax === undefined
      ? spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
      : spawn('sh', ['-c', `ulimit -f ${fileBlocksMax}; exec "$0" "$@"`, process.execPath, ...args], {
          stdio: ['ignore', 'pipe', 'ignore'],
        });
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  child.stderr?.resume();
  const lines: string[] = [];
  if (child.stdout) {
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (lines.length === killAfter) child.kill('SIGKILL');
    }
  }
  const [code, signal] = await ended;
  return { lines, signal, code };
}

/** The caller's key, with a budget for all of its time. */
export async function mintCaller(store: Store, budget: number): Promise<void> {
  const key = testKey('CALLER00', { budgets: [{ amount: micros(budget), per: 'total', zone: 'UTC' }] });
  await store.keyring.insert(key, { via: 'cli' });
}

/** What the store says about the caller's budget and its journal. */
export async function accountsOf(store: Store): Promise<{
  spent: number;
  held: number;
  charged: number;
  journal: ReturnType<typeof verifyLines>;
  admitted: Set<string>;
}> {
  const key = await store.keyring.get('CALLER00');
  const [usage] = key ? await store.ledger.usage({ key, ancestors: [], now: start }) : [];
  const records = await recordsOf(store.journal);
  const lines = await linesOf(store.journal);
  const charged = [...chargesOf(records).values()].reduce((sum, charge) => sum + charge, 0);
  const admitted = new Set(records.filter(({ kind }) => kind === 'call.intent').map(({ reservationId }) => `${reservationId}`));
  const journal = verifyLines(lines, { checkpoints: [], publicKeys: new Map() });
  return { spent: usage?.spent ?? -1, held: usage?.held ?? -1, charged, journal, admitted };
}

export function idsSaid(lines: readonly string[], act: string): string[] {
  return lines.filter((line) => line.startsWith(`${act} `)).map((line) => line.split(' ')[1] ?? '');
}
