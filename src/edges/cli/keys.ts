import { type Command, Option } from 'commander';
import { findKey, listKeys, pageRowsMax } from '../../authority/list.ts';
import { revoke } from '../../authority/revoke.ts';
import { type KeyView, viewKey } from '../../authority/view.ts';
import type { KeyFilter } from '../../ports/keyring.ts';
import { addAbsentCommand } from './absent.ts';
import { keyText } from './key-text.ts';
import { addKeysMint } from './keys-mint.ts';
import { wholeNumber } from './parse-options.ts';
import { table } from './print.ts';
import { type Registrar, withAuthority } from './shell.ts';

/** Options of every list of keys, as commander gives them. */
export interface ListOptions {
  readonly org?: string;
  readonly agent?: string;
  readonly account?: string;
  readonly kind?: 'agent' | 'bot' | 'operator';
  readonly env?: 'live' | 'test';
  readonly limit: number;
  readonly cursor?: string;
}

export function addKeys(program: Command, registrar: Registrar): void {
  const keys = program.command('keys').description('mint, list, show and revoke keys');
  addKeysMint(keys, registrar);
  addKeysList(keys, registrar);
  keys
    .command('show')
    .description('show one key')
    .argument('<id>', 'the eight characters after kg_live_ or kg_test_')
    .action(
      registrar.run(async (shell, id: string) => {
        const view = await withAuthority(shell, async (authority) => viewKey(findKey(authority, id), authority.clock.now()));
        await shell.print(view, keyText(view));
        return 0;
      }),
    );
  keys
    .command('revoke')
    .description('revoke a key for good')
    .argument('<id>', 'the eight characters after kg_live_ or kg_test_')
    .option('--reason <text>', 'why, for the journal')
    .action(
      registrar.run(async (shell, id: string, options: { reason?: string }) => {
        const revoked = await withAuthority(
          shell,
          async (authority) => await revoke(authority, findKey(authority, id).id, { reason: options.reason, by: { via: 'cli' } }),
        );
        const { record, already, elapsedMs } = revoked;
        await shell.print(
          { ...record, already, elapsedMs },
          already ? `${record.id} was revoked before, at ${record.revokedAt}\n` : `${record.id} is revoked (${elapsedMs} ms)\n`,
        );
        return 0;
      }),
    );
  for (const [name, description] of [
    ['rotate', 'give a key a new secret'],
    ['reissue', 'revoke a key and mint its like with a shorter life'],
    ['delete', 'delete a key for good'],
  ] as const) {
    addAbsentCommand(keys, registrar, { name, title: `keys ${name}`, description });
  }
}

/** Adds the filters and the page that lists of keys share. */
export function withListOptions(command: Command): Command {
  return command
    .option('--org <id>', 'only keys of this organisation')
    .option('--agent <id>', 'only keys of this agent')
    .option('--account <id>', 'only keys of this account')
    .addOption(new Option('--kind <kind>', 'only keys of this kind').choices(['agent', 'bot', 'operator']))
    .addOption(new Option('--env <environment>', 'only keys of this environment').choices(['live', 'test']))
    .addOption(new Option('--limit <number>', 'keys on the page').argParser(wholeNumber({ min: 1, max: pageRowsMax })).default(50))
    .option('--cursor <cursor>', 'continue a list after its last page');
}

export function filterOf(options: ListOptions): KeyFilter {
  return {
    ...(options.org === undefined ? {} : { orgId: options.org }),
    ...(options.agent === undefined ? {} : { agentId: options.agent }),
    ...(options.account === undefined ? {} : { accountId: options.account }),
    ...(options.kind === undefined ? {} : { kind: options.kind }),
    ...(options.env === undefined ? {} : { environment: options.env }),
  };
}

function addKeysList(keys: Command, registrar: Registrar): void {
  withListOptions(keys.command('list').description('list keys, dead ones included')).action(
    registrar.run(async (shell, options: ListOptions) => {
      const { limit, cursor } = options;
      const page = await withAuthority(shell, async (authority) => listKeys(authority, { filter: filterOf(options), limit, cursor }));
      await shell.print(page, listText(page.data, page.nextCursor));
      return 0;
    }),
  );
}

function listText(keys: readonly KeyView[], nextCursor: string | null): string {
  if (keys.length === 0) return 'no keys\n';
  const rows = keys.map((key) => [
    key.id,
    key.name,
    key.kind,
    key.environment,
    key.status,
    `…${key.last4}`,
    key.expiresAt?.slice(0, 16) ?? 'never',
    key.scopes.join(' '),
  ]);
  const more = nextCursor === null ? '' : `more: --cursor ${nextCursor}\n`;
  return table(['ID', 'NAME', 'KIND', 'ENV', 'STATUS', 'KEY', 'EXPIRES', 'SCOPES'], rows) + more;
}
