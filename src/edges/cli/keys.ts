import { type Command, Option } from 'commander';
import { listKeys, pageRowsMax } from '../../authority/list.ts';
import { showKey } from '../../authority/show.ts';
import type { KeyView } from '../../authority/view.ts';
import type { KeyFilter } from '../../ports/keyring.ts';
import { keyArgument } from './key-argument.ts';
import { keyText } from './key-text.ts';
import { addKeysMint } from './keys-mint.ts';
import { addKeysRevoke } from './keys-revoke.ts';
import { addKeysRotate } from './keys-rotate.ts';
import { addKeysSet } from './keys-set.ts';
import { wholeNumber } from './parse-options.ts';
import { table } from './print.ts';
import { type Registrar, withAuthority } from './shell.ts';
import { addStepUp } from './step-up.ts';

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
  const keys = program.command('keys').description('the life of a key, from mint to delete');
  addKeysMint(keys, registrar);
  addKeysList(keys, registrar);
  addStepUp(keys, registrar);
  keys
    .command('show')
    .description('show one key')
    .argument(...keyArgument)
    .action(
      registrar.run(async (shell, id: string) => {
        const shown = await withAuthority(shell, async (authority) => await showKey(authority, id));
        await shell.print(shown, keyText(shown, shown.childIds));
        return 0;
      }),
    );
  addKeysSet(keys, registrar);
  addKeysRotate(keys, registrar);
  addKeysRevoke(keys, registrar);
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
      const page = await withAuthority(shell, async (authority) => await listKeys(authority, { filter: filterOf(options), limit, cursor }));
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
