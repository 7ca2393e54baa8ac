import { type Command, Option } from 'commander';
import { bulkRevoke } from '../../authority/bulk-revoke.ts';
import { reportLeak } from '../../authority/leak.ts';
import { findKey } from '../../authority/list.ts';
import { remove } from '../../authority/remove.ts';
import { revoke, type Spread } from '../../authority/revoke.ts';
import { CommandFailure } from './failure.ts';
import { keyArgument } from './key-argument.ts';
import { plain } from './print.ts';
import { type Registrar, type Shell, withAuthority } from './shell.ts';

interface RevokeOptions {
  readonly agent?: string;
  readonly org?: string;
  readonly account?: string;
  readonly parent?: string;
  readonly kind?: string;
  readonly env?: string;
  readonly reason?: string;
}

/** The acts that end keys. */
export function addKeysRevoke(keys: Command, registrar: Registrar): void {
  keys
    .command('revoke')
    .description('revoke a key for good, or every key that all the options match')
    .argument('[id]', keyArgument[1])
    .option('--agent <id>', 'every key of this agent')
    .option('--org <id>', 'every key of this organisation')
    .option('--account <id>', 'every key of this account')
    .option('--parent <id>', 'every child of this key')
    .addOption(new Option('--kind <kind>', 'every key of this kind').choices(['agent', 'bot', 'operator']))
    .addOption(new Option('--env <environment>', 'every key of this environment').choices(['live', 'test']))
    .option('--reason <text>', 'why, for the journal')
    .action(registrar.run(async (shell, id: string | undefined, options: RevokeOptions) => await revokeKeys(shell, id, options)));
  keys
    .command('delete')
    .description('delete a key for good; afterwards it is one that nobody minted')
    .argument(...keyArgument)
    .option('--reason <text>', 'why, for the journal')
    .action(
      registrar.run(async (shell, id: string, { reason }: { reason?: string }) => {
        const removed = await withAuthority(shell, async (authority) => await remove(authority, id, { reason, by: { via: 'cli' } }));
        await shell.print(removed, `${removed.id} is deleted (${spreadText(removed)})\n`);
        return 0;
      }),
    );
  keys
    .command('leak')
    .description('report a leaked key, which revokes it; without an id the key itself is read from standard input')
    .argument('[id]', keyArgument[1])
    .action(
      registrar.run(async (shell, id: string | undefined) => {
        const report = id === undefined ? { key: await readLine(shell) } : { id };
        const answer = await withAuthority(shell, async (authority) => {
          // Whoever opens the store may see which keys there are; a typing mistake must not look like a revocation.
          if (id !== undefined) await findKey(authority, id);
          return await reportLeak(authority, report, { via: 'cli' });
        });
        await shell.print(answer, 'received: if there is such a key, it is revoked\n');
        return 0;
      }),
    );
}

async function revokeKeys(shell: Shell, id: string | undefined, options: RevokeOptions): Promise<number> {
  const { agent: agentId, org: orgId, account: accountId, parent: parentId, kind, env: environment, reason } = options;
  const filter = Object.fromEntries(
    Object.entries({ agentId, orgId, accountId, parentId, kind, environment }).filter(([, value]) => value !== undefined),
  );
  const isBulk = Object.keys(filter).length > 0;
  if (isBulk === (id !== undefined)) {
    throw new CommandFailure('USAGE', 'name either one key, or options that say which keys', { exitCode: 2 });
  }
  const by = { via: 'cli' } as const;
  if (id !== undefined) {
    const { record, ...spread } = await withAuthority(shell, async (authority) => await revoke(authority, id, { reason, by }));
    await shell.print(
      { ...record, ...spread },
      spread.already ? `${record.id} was revoked before, at ${record.revokedAt}\n` : `${record.id} is revoked (${spreadText(spread)})\n`,
    );
    return 0;
  }
  const bulk = await withAuthority(shell, async (authority) => await bulkRevoke(authority, filter, { reason, by }));
  const { revoked, already } = bulk;
  const lines = [...revoked.map((each) => `${each} is revoked`), `${revoked.length} revoked, ${already} before (${spreadText(bulk)})`];
  await shell.print(bulk, `${lines.join('\n')}\n`);
  return 0;
}

function spreadText({ elapsedMs, acknowledged, pendingReplicas }: Spread): string {
  const known = `${elapsedMs} ms, ${acknowledged} acknowledged`;
  return pendingReplicas.length === 0 ? known : `${known}, not yet: ${pendingReplicas.map(plain).join(', ')}`;
}

const lineCharactersMax = 1_000;

/** A key on the command line would stay in the shell's history and be seen in the list of processes (I5). */
async function readLine({ deps }: Shell): Promise<string> {
  let text = '';
  for await (const chunk of deps.input) {
    text += Buffer.from(chunk as Uint8Array).toString('utf8');
    if (text.includes('\n') || text.length > lineCharactersMax) break;
  }
  return text.split('\n', 1)[0]?.trim() ?? '';
}
