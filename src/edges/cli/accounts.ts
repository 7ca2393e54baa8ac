import type { Command } from 'commander';
import { type AccountView, createAccount, creditAccount, showAccount } from '../../authority/accounts.ts';
import { pairs } from './print.ts';
import { type Registrar, withAuthority } from './shell.ts';

export function addAccounts(program: Command, registrar: Registrar): void {
  const accounts = program.command('accounts').description('prepaid balances that keys share');
  accounts
    .command('create')
    .description('open an account')
    .argument('<id>')
    .action(
      registrar.run(async (shell, id: string) => {
        const account = await withAuthority(shell, async (authority) => await createAccount(authority, id, { via: 'cli' }));
        await shell.print(account, accountText(account));
        return 0;
      }),
    );
  accounts
    .command('credit')
    .description('add money to an account; the same reference again adds nothing')
    .argument('<id>')
    .argument('<amount>', 'decimal, at most six places')
    .requiredOption('--reference <text>', "the payment's own name")
    .action(
      registrar.run(async (shell, accountId: string, amount: string, options: { reference: string }) => {
        const { reference } = options;
        const credited = await withAuthority(
          shell,
          async (authority) => await creditAccount(authority, { accountId, amount, reference, by: { via: 'cli' } }),
        );
        const note = credited.replayed ? 'This reference was credited before; nothing was added.\n' : '';
        await shell.print({ ...credited.account, replayed: credited.replayed }, accountText(credited.account) + note);
        return 0;
      }),
    );
  accounts
    .command('show')
    .description('show an account')
    .argument('<id>')
    .action(
      registrar.run(async (shell, id: string) => {
        const account = await withAuthority(shell, async (authority) => showAccount(authority, id));
        await shell.print(account, accountText(account));
        return 0;
      }),
    );
}

function accountText(account: AccountView): string {
  return pairs([
    ['id', account.id],
    ['balance', account.balance],
    ['held', account.held],
    ['available', account.available],
    ['created', account.createdAt],
  ]);
}
