import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { type Initialised, initialise } from '../../authority/init.ts';
import { mintAnswer } from '../../authority/mint.ts';
import { secretFiles } from '../../config/secret-files.ts';
import { configFailure } from './failure.ts';
import { newKeyText } from './key-text.ts';
import { plain } from './print.ts';
import type { Registrar } from './shell.ts';

export function addInit(program: Command, registrar: Registrar): void {
  program
    .command('init')
    .description('create missing secret files and the first operator key')
    .action(
      registrar.run(async (shell) => {
        const { deps, configFile } = shell;
        const { problems, ...paths } = await secretFiles({ file: configFile, env: deps.env, cwd: deps.cwd });
        if (problems.length > 0) throw configFailure(configFile, problems, deps.cwd);
        const done = await initialise({ paths, random: randomBytes, open: async () => await deps.openAuthority({ configFile }) });
        const { created, kept, operator } = done;
        await shell.print({ created, kept, operator: operator === undefined ? null : mintAnswer(operator) }, initText(done));
        return 0;
      }),
    );
}

function initText({ created, kept, operator }: Initialised): string {
  const files = [...created.map((file) => `created  ${plain(file)}\n`), ...kept.map((file) => `kept     ${plain(file)}\n`)].join('');
  if (operator === undefined) return `${files}The store has a live operator key already.\n`;
  return `${files}\nThe first operator key:\n\n${newKeyText(operator.key, operator.record)}`;
}
