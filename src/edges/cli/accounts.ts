import { type Command, Option } from 'commander';
import { type AccountView, adjustAccount, createAccount, creditAccount, limitAccount, showAccount } from '../../authority/accounts.ts';
import type { AccountLimitsRequest } from '../../authority/mint-request.ts';
import { CommandFailure } from './failure.ts';
import { limitPairs } from './key-text.ts';
import { budgets, caps } from './parse-options.ts';
import { pairs } from './print.ts';
import { type Registrar, type Shell, withAuthority } from './shell.ts';

export function addAccounts(program: Command, registrar: Registrar): void {
  const accounts = program.command('accounts').description('prepaid balances that keys share');
  addCreate(accounts, registrar);
  addBalance(accounts, registrar);
  addLimit(accounts, registrar);
  accounts
    .command('show')
    .description('show an account')
    .argument('<id>')
    .action(
      registrar.run(async (shell, id: string) => {
        const account = await withAuthority(shell, async (authority) => await showAccount(authority, id));
        await shell.print(account, accountText(account));
        return 0;
      }),
    );
}

function addCreate(accounts: Command, registrar: Registrar): void {
  withLimits(accounts.command('create').description('open an account').argument('<id>')).action(
    registrar.run(async (shell, id: string, options: LimitOptions) => {
      const account = await withAuthority(
        shell,
        async (authority) => await createAccount(authority, id, { via: 'cli' }, limitsOf(options)),
      );
      await shell.print(account, accountText(account));
      return 0;
    }),
  );
}

function addBalance(accounts: Command, registrar: Registrar): void {
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
        await printChanged(shell, credited, 'This reference was credited before; nothing was added.');
        return 0;
      }),
    );
  accounts
    .command('adjust')
    .description('correct a balance, up or down; the same reference again changes nothing')
    .argument('<id>')
    .argument('<amount>', 'decimal, at most six places, such as 2.50 or -2.50')
    .requiredOption('--reference <text>', "the correction's own name")
    .requiredOption('--reason <text>', 'why, for the journal')
    .action(
      registrar.run(async (shell, accountId: string, amount: string, options: { reference: string; reason: string }) => {
        const adjusted = await withAuthority(
          shell,
          async (authority) => await adjustAccount(authority, { accountId, amount, ...options, by: { via: 'cli' } }),
        );
        await printChanged(shell, adjusted, 'This reference was used before; nothing was changed.');
        return 0;
      }),
    );
}

function addLimit(accounts: Command, registrar: Registrar): void {
  withLimits(
    accounts.command('limit').description("replace an account's budgets, or its caps: what is named, and nothing else").argument('<id>'),
  )
    .addOption(new Option('--clear <list...>', 'take these away').choices(['budgets', 'caps']))
    .action(
      registrar.run(async (shell, accountId: string, options: LimitOptions & { readonly clear?: readonly ('budgets' | 'caps')[] }) => {
        const limits = limitsOf(options);
        for (const list of options.clear ?? []) {
          if (limits[list]) throw new CommandFailure('USAGE', `--clear ${list} contradicts another option`, { exitCode: 2 });
          limits[list] = [];
        }
        if (Object.keys(limits).length === 0) throw new CommandFailure('USAGE', 'name at least one thing to change', { exitCode: 2 });
        const account = await withAuthority(
          shell,
          async (authority) => await limitAccount(authority, { accountId, limits, by: { via: 'cli' } }),
        );
        await shell.print(account, accountText(account));
        return 0;
      }),
    );
}

interface LimitOptions {
  readonly budget?: readonly object[];
  readonly cap?: readonly object[];
}

function withLimits(command: Command): Command {
  return command
    .option('--budget <amount/window>', 'what its live keys may spend together, such as 50.00/day or 50.00/day:soft', budgets)
    .option('--cap <calls/window>', 'what they may call together, such as 1000/hour or 1000/hour:tool=get_*', caps);
}

/** The options as members of a request; what is wrong with them is for the request to say. */
function limitsOf({ budget, cap }: LimitOptions): AccountLimitsRequest {
  return { ...(budget && { budgets: [...budget] }), ...(cap && { caps: [...cap] }) } as AccountLimitsRequest;
}

async function printChanged(shell: Shell, { account, replayed }: { account: AccountView; replayed: boolean }, note: string): Promise<void> {
  await shell.print({ ...account, replayed }, accountText(account) + (replayed ? `${note}\n` : ''));
}

function accountText(account: AccountView): string {
  return pairs([
    ['id', account.id],
    ['balance', account.balance],
    ['held', account.held],
    ['available', account.available],
    ...limitPairs(account),
    ['created', account.createdAt],
  ]);
}
