import type { Command } from 'commander';
import { type Reconciled, reconcile } from '../../authority/reconcile.ts';
import { plain, table } from './print.ts';
import { type Registrar, withStore } from './shell.ts';

export function addLedger(program: Command, registrar: Registrar): void {
  const ledger = program.command('ledger').description('check balances and limits');
  ledger
    .command('reconcile')
    .description('rebuild balances and limits from the journal and compare them with the ledger; gateways may go on')
    .action(
      registrar.run(async (shell) => {
        const report = await withStore(shell, async ({ store, clock, calendar }) => await reconcile({ store, clock, calendar }));
        await shell.print(report, textOf(report));
        return report.ok ? 0 : 1;
      }),
    );
}

function textOf({ ok, records, compared, differences, running, notCompared }: Reconciled): string {
  const { accounts, limits, holds } = compared;
  const lines = [
    `${ok ? 'reconciled' : 'NOT RECONCILED'}: ${accounts} accounts, ${limits} limits and ${holds} running calls against ${records} records`,
    `running: ${running.calls} calls, which hold ${running.held}`,
    ...notCompared.map(({ what, why }) => `not compared: ${what}: ${why}`),
  ];
  const rows = differences.map(({ what, ledger, journal, difference }) => [what, `${ledger}`, `${journal}`, `${difference}`]);
  const found = rows.length === 0 ? '' : table(['what', 'ledger', 'journal', 'difference'], rows);
  return lines.map((line) => `${plain(line)}\n`).join('') + found;
}
