import type { Command } from 'commander';
import type { DumpTotals } from '../../authority/dump-tally.ts';
import { exportStore } from '../../authority/store-export.ts';
import { importStore } from '../../authority/store-import.ts';
import { formatMicros } from '../../domain/money.ts';
import { readFileLines, writeLines, writeWhole } from './dump-file.ts';
import { pairs } from './print.ts';
import { pathOf, type Registrar, withStore } from './shell.ts';

export function addStore(program: Command, registrar: Registrar): void {
  const store = program.command('store').description('move everything from one store to another');
  store
    .command('export')
    .description('write keys, accounts, counters and the journal as JSON lines; no gateway may be serving')
    .argument('<file>', 'readable by its owner alone; - for standard output')
    .action(
      registrar.run(async (shell, name: string) => {
        await withStore(shell, async ({ store: from, clock, signing }) => {
          const lines = exportStore({ store: from, clock, signer: signing.ed25519 });
          if (name === '-') {
            await writeLines(lines, async (text) => await shell.deps.out(text));
            return;
          }
          const file = pathOf(shell, name);
          const totals = await writeWhole(file, lines);
          await shell.print(documentOf(file, totals), `wrote ${file}\n${textOf(totals)}`);
        });
        return 0;
      }),
    );
  store
    .command('import')
    .description('take an export into an empty store, check it, and read everything back')
    .argument('<file>')
    .action(
      registrar.run(async (shell, name: string) => {
        const file = pathOf(shell, name);
        const totals = await withStore(
          shell,
          async ({ store: into, signing }) =>
            await importStore({ store: into, lines: () => readFileLines(file), publicKeys: signing.checkpointKeys }),
        );
        await shell.print(documentOf(file, totals), `imported ${file}; the store holds what the file does\n${textOf(totals)}`);
        return 0;
      }),
    );
}

function documentOf(file: string, { counts, sums }: DumpTotals): object {
  return { file, counts, sums };
}

function textOf({ counts, sums }: DumpTotals): string {
  return pairs([
    ['keys', counts.key],
    ['accounts', counts.account],
    ['balances', formatSum(sums.balances)],
    ['payments', counts.reference],
    ['paid', formatSum(sums.references)],
    ['spent', formatSum(sums.spentMicros)],
    ['calls', sums.spentCalls],
    ['second factors', counts.factor],
    ['journal records', counts.line],
    ['checkpoints', counts.checkpoint],
  ]);
}

/** Sums may be beyond 2^53 micro-units. */
function formatSum(micros: string): string {
  const sum = BigInt(micros);
  const absolute = sum < 0n ? -sum : sum;
  const rest = formatMicros(Number(absolute % 1_000_000n)).slice(1);
  return `${sum < 0n ? '-' : ''}${absolute / 1_000_000n}${rest}`;
}
