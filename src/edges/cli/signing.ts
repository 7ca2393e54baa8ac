import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { changeSigningFile } from '../../authority/signing-file.ts';
import { addSigning, listSigning, promoteSigning, removeSigning, type SigningKeyView } from '../../authority/signing-set.ts';
import { secretFiles } from '../../config/secret-files.ts';
import { CommandFailure, configFailure } from './failure.ts';
import { table } from './print.ts';
import { type Registrar, type Shell, tellWarnings } from './shell.ts';

/** How long verifiers may go on using a JWKS that they fetched: the `max-age` it is served with. */
const jwksMaxAgeMs = 300_000;

/** Adds `signing add`, `promote`, `list` and `remove`: the keys that sign assertions, access tokens and checkpoints. */
export function addSigningCommands(program: Command, registrar: Registrar): void {
  const signing = program.command('signing').description('the keys that sign assertions, access tokens and checkpoints');
  signing
    .command('list')
    .description('every signing key and what it does now')
    .action(
      registrar.run(async (shell) => {
        const keys = listSigning(await readFile(await signingFile(shell), 'utf8'));
        await shell.print({ keys }, keysText(keys));
        return 0;
      }),
    );
  signing
    .command('add')
    .description('add the next key of each kind: it is published at once and signs once promoted')
    .action(registrar.run(async (shell) => await change(shell, 'add', addSigning)));
  signing
    .command('promote')
    .description('let the next key of each kind sign; the one before it only verifies from now on')
    .action(registrar.run(async (shell) => await change(shell, 'promote', promoteSigning, warnIfYoung)));
  signing
    .command('remove')
    .description('remove a key that does not sign; an Ed25519 key keeps its public half, for old checkpoints')
    .argument('<kid>', 'the id of the key, as signing list shows it')
    .action(registrar.run(async (shell, kid: string) => await change(shell, 'remove', (text) => removeSigning(text, kid))));
}

async function change(
  shell: Shell,
  act: string,
  edit: (text: string) => string,
  warn: (ageMs: number) => string[] = () => [],
): Promise<number> {
  const path = await signingFile(shell);
  const { after, ageMs } = await changeSigningFile(path, edit, Date.now());
  const keys = listSigning(after);
  await journal(shell, act, keys);
  const warnings = warn(ageMs);
  tellWarnings(shell, warnings);
  await shell.print({ keys, warnings }, keysText(keys));
  return 0;
}

/** Who may sign is on record like any other act of management. */
async function journal({ deps, configFile }: Shell, act: string, keys: readonly SigningKeyView[]): Promise<void> {
  const { authority, close } = await deps.openAuthority({ configFile });
  try {
    await authority.ledger.record({ kind: 'signing.changed', via: 'cli', act, keys: keys.map(({ kid, role }) => `${kid} ${role}`) });
  } finally {
    await close();
  }
}

function warnIfYoung(ageMs: number): string[] {
  if (ageMs >= jwksMaxAgeMs) return [];
  const seconds = Math.floor(ageMs / 1000);
  return [`the keys were changed ${seconds} s ago: a verifier that fetched them before that may not know the new one for up to 5 minutes`];
}

/** @throws CommandFailure where the configuration does not say, or the keys do not come from a file of their own */
async function signingFile({ deps, configFile }: Shell): Promise<string> {
  const { signing, problems } = await secretFiles({ file: configFile, env: deps.env, cwd: deps.cwd });
  if (problems.length > 0) throw configFailure(configFile, problems, deps.cwd);
  if (signing === undefined)
    throw new CommandFailure('NO_SIGNING_FILE', 'keys.signing does not come from a file: change it where it is kept');
  try {
    await readFile(signing);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason';
    throw new CommandFailure('FILE_UNREADABLE', `cannot read ${signing} (${code})`, { cause: error });
  }
  return signing;
}

function keysText(keys: readonly SigningKeyView[]): string {
  return table(
    ['kid', 'alg', 'role', 'signs'],
    keys.map(({ kid, alg, role, signs }) => [kid, alg, role, signs]),
  );
}
