import { setTimeout as wait } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { readLines } from '../../authority/export-journal.ts';
import type { Journal, JournalLine } from '../../ports/journal.ts';
import { wholeNumber } from './parse-options.ts';
import { plain } from './print.ts';
import { type Registrar, type Shell, withAuthority } from './shell.ts';

/** How often a followed journal is read again. The store tells of commits of other processes only when asked. */
const followMs = 200;
/** How many of these readings go by until the store is asked to make what was committed readable, which may cost it a write. */
const freshReadings = 5;

export function addJournalTail(journal: Command, registrar: Registrar): void {
  journal
    .command('tail')
    .description('show the newest records')
    .addOption(new Option('-n, --records <number>', 'how many').argParser(wholeNumber({ min: 0, max: 100_000 })).default(10))
    .option('-f, --follow', 'go on as records are written (with --json: one record a line)')
    .action(
      registrar.run(async (shell, options: { records: number; follow?: boolean }) => {
        await withAuthority(shell, async (authority) => {
          const head = await authority.journal.head();
          const after = Math.max(0, head - options.records);
          if (options.follow) return await follow(shell, authority.journal, after);
          const lines: JournalLine[] = [];
          for await (const line of readLines(authority.journal, { after, through: head })) lines.push(line);
          await printOnce(shell, lines);
        });
        return 0;
      }),
    );
}

async function printOnce(shell: Shell, lines: readonly JournalLine[]): Promise<void> {
  const text = lines.length === 0 ? 'no records\n' : lines.map((line) => recordText(line.text)).join('');
  await shell.print({ data: lines.map((line) => JSON.parse(line.text) as unknown) }, text);
}

async function follow(shell: Shell, journal: Journal, from: number): Promise<void> {
  const { signal } = shell.deps;
  let after = from;
  for (let reading = 0; !signal?.aborted; reading += 1) {
    if (reading % freshReadings === 0) await journal.head();
    for await (const line of readLines(journal, { after })) {
      await shell.deps.out(shell.json ? `${line.text}\n` : recordText(line.text));
      after = line.position;
    }
    await wait(followMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

/** One record on one line, for people: when, what, who, on what, and how it ended. */
function recordText(text: string): string {
  const record = JSON.parse(text) as Record<string, unknown>;
  const shown = (name: string): string => {
    const value = record[name];
    return value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  const subject = ['tool', 'resource', 'prompt', 'method'].map(shown).find((value) => value !== '') ?? '';
  const target = [shown('upstream'), subject].filter((value) => value !== '').join('/');
  const ending = [
    shown('reason') || shown('decision'),
    shown('status'),
    ...(['held', 'charged', 'amount'] as const).map((name) => (shown(name) === '' ? '' : `${name} ${shown(name)}`)),
    shown('latencyMs') === '' ? '' : `${shown('latencyMs')} ms`,
  ];
  const parts = [
    shown('seq').padStart(6),
    shown('time'),
    shown('kind').padEnd(14),
    (shown('keyId') || shown('account') || '-').padEnd(8),
    target,
    ...ending,
  ];
  return `${parts
    .filter((part) => part !== '')
    .map(plain)
    .join('  ')}\n`;
}
