import type { Command } from 'commander';
import { keyUsage, listUsage, type UsageView } from '../../authority/usage.ts';
import { filterOf, type ListOptions, withListOptions } from './keys.ts';
import { table } from './print.ts';
import { type Registrar, withAuthority } from './shell.ts';

export function addUsage(program: Command, registrar: Registrar): void {
  const usage = program
    .command('usage')
    .description('what keys have used of their limits')
    .argument('[keyId]', 'one key (default: every key)');
  withListOptions(usage).action(
    registrar.run(async (shell, keyId: string | undefined, options: ListOptions) => {
      if (keyId !== undefined) {
        const one = await withAuthority(shell, async (authority) => await keyUsage(authority, keyId));
        await shell.print(one, usageText([one]));
        return 0;
      }
      const { limit, cursor } = options;
      const page = await withAuthority(
        shell,
        async (authority) => await listUsage(authority, { filter: filterOf(options), limit, cursor }),
      );
      await shell.print(page, usageText(page.data) + (page.nextCursor === null ? '' : `more: --cursor ${page.nextCursor}\n`));
      return 0;
    }),
  );
}

function usageText(keys: readonly UsageView[]): string {
  if (keys.length === 0) return 'no keys\n';
  const rows = keys.flatMap((key) =>
    key.limits.length === 0
      ? [[key.id, key.name, 'no limits']]
      : key.limits.map((limit) => [
          key.id,
          key.name,
          limit.soft ? `${limit.name} (soft)` : limit.name,
          String(limit.spent),
          String(limit.held),
          String(limit.limit),
          String(limit.remaining),
          `${limit.percent}%`,
          limit.resetAt?.slice(0, 16) ?? 'never',
        ]),
  );
  return table(['KEY', 'NAME', 'LIMIT', 'SPENT', 'HELD', 'OF', 'LEFT', 'USED', 'RESETS'], rows);
}
