import type { Command } from 'commander';
import { reissue, reissueAnswer } from '../../authority/reissue.ts';
import { rotate, rotateAnswer } from '../../authority/rotate.ts';
import { keyArgument } from './key-argument.ts';
import { newKeyText } from './key-text.ts';
import { lifetime } from './parse-options.ts';
import { type Registrar, tellWarnings, withAuthority } from './shell.ts';

/** The acts that give out a new secret for an old key. */
export function addKeysRotate(keys: Command, registrar: Registrar): void {
  keys
    .command('rotate')
    .description('give a key a new secret; record, budgets and journal identity stay')
    .argument(...keyArgument)
    .option('--overlap <duration>', 'how long the old secret still works: now, or at most 24h such as 15m, 1h or 6h', 'now')
    .action(
      registrar.run(async (shell, id: string, { overlap }: { overlap: string }) => {
        const rotated = await withAuthority(shell, async (authority) => await rotate(authority, id, { overlap }, { via: 'cli' }));
        const { previousUntil } = rotated.record;
        const old = previousUntil === null ? 'The old secret works no more.' : `The old secret works until ${previousUntil}.`;
        await shell.print(rotateAnswer(rotated), `${newKeyText(rotated.key, rotated.record)}\n${old}\n`);
        return 0;
      }),
    );
  keys
    .command('reissue')
    .description('replace a key by one with the same grants and a shorter life, or fewer scopes')
    .argument(...keyArgument)
    .option(
      '--expires <lifetime>',
      'life of the new key from now, such as 12h; never beyond that of the old one (default: the same end)',
      lifetime,
    )
    .option('--scope <scope...>', 'its scopes, each within those of the old key (default: the same)')
    .option('--reason <text>', 'why, for the journal')
    .action(
      registrar.run(async (shell, id: string, options: { expires?: string; scope?: string[]; reason?: string }) => {
        const { expires: ttl, scope: scopes, reason } = options;
        const request = { ...(ttl && { ttl }), ...(scopes && { scopes }), ...(reason !== undefined && { reason }) };
        const done = await withAuthority(shell, async (authority) => await reissue(authority, id, request, { via: 'cli' }));
        await shell.print(reissueAnswer(done), `${newKeyText(done.key, done.record)}\n${done.replaced.id} is revoked.\n`);
        tellWarnings(shell, done.warnings);
        return 0;
      }),
    );
}
