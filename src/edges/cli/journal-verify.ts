import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import type { Command } from 'commander';
import { readCheckpointKeys } from '../../authority/signing.ts';
import { verifyJournal } from '../../authority/verify-journal.ts';
import { secretFiles } from '../../config/secret-files.ts';
import type { Checkpoint } from '../../domain/record.ts';
import { verifyLines } from '../../domain/verify-journal.ts';
import type { JournalReport } from '../../ports/journal.ts';
import { CommandFailure, configFailure } from './failure.ts';
import { plain } from './print.ts';
import { pathOf, type Registrar, type Shell, withAuthority } from './shell.ts';

interface VerifyOptions {
  readonly checkpoints?: string;
  readonly keys?: string;
}

export function addJournalVerify(journal: Command, registrar: Registrar): void {
  journal
    .command('verify')
    .description('check every hash, link and signature of the journal, or of an export')
    .argument('[file]', 'an export (default: the journal in the store)')
    .option('--checkpoints <file>', 'checkpoints kept elsewhere, which a cut tail cannot take along')
    .option('--keys <file>', 'public keys as a JWK Set (default: those of the configuration)')
    .action(
      registrar.run(async (shell, file: string | undefined, options: VerifyOptions) => {
        const report = await verify(shell, file, options);
        await shell.print(report, reportText(report));
        return report.ok ? 0 : 1;
      }),
    );
}

async function verify(shell: Shell, file: string | undefined, options: VerifyOptions): Promise<JournalReport> {
  const checkpoints = options.checkpoints === undefined ? [] : readCheckpoints(pathOf(shell, options.checkpoints));
  const given =
    options.keys === undefined ? undefined : readCheckpointKeys(inFile(pathOf(shell, options.keys), (path) => readFileSync(path, 'utf8')));
  if (file === undefined) {
    return await withAuthority(
      shell,
      async (authority, config) =>
        await verifyJournal(authority, { publicKeys: given ?? readCheckpointKeys(config.keys.signing), checkpoints }),
    );
  }
  const publicKeys = given ?? readCheckpointKeys(await configuredSigning(shell));
  return inFile(pathOf(shell, file), (path) => verifyLines(fileLines(path), { checkpoints, publicKeys }));
}

/** The signing keys without the store, and where they have a file of their own without the rest of the configuration. */
async function configuredSigning(shell: Shell): Promise<string> {
  const { deps, configFile } = shell;
  const { signing } = await secretFiles({ file: configFile, env: deps.env, cwd: deps.cwd });
  if (signing !== undefined) return inFile(signing, (path) => readFileSync(path, 'utf8'));
  const loaded = await deps.readConfig({ configFile });
  if (!loaded.ok) throw configFailure(configFile, loaded.problems, deps.cwd);
  return loaded.config.keys.signing;
}

/** Checkpoints as JSON lines, bare or as exports hold them. */
function readCheckpoints(file: string): Checkpoint[] {
  return inFile(file, (path) =>
    [...fileLines(path)]
      .filter((line) => line.trim() !== '')
      .map((line, at) => {
        const checkpoint = checkpointOf(line);
        if (checkpoint === undefined)
          throw new CommandFailure('CHECKPOINTS_INVALID', `line ${at + 1} of the checkpoints is not a checkpoint`);
        return checkpoint;
      }),
  );
}

function checkpointOf(line: string): Checkpoint | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const inner = (
    typeof value === 'object' && value !== null && 'checkpoint' in value ? value.checkpoint : value
  ) as Partial<Checkpoint> | null;
  const texts = [inner?.partition, inner?.hash, inner?.time, inner?.kid, inner?.signature];
  return Number.isSafeInteger(inner?.seq) && texts.every((text) => typeof text === 'string') ? (inner as Checkpoint) : undefined;
}

/** Lines ended by LF alone, since records are verified byte for byte; a long export is not held in memory. */
function* fileLines(path: string): Generator<string> {
  const descriptor = openSync(path, 'r');
  try {
    const chunk = Buffer.alloc(1 << 16);
    let pending: Buffer[] = [];
    for (;;) {
      const length = readSync(descriptor, chunk);
      if (length === 0) break;
      let start = 0;
      for (let at = chunk.indexOf(10); at >= 0 && at < length; at = chunk.indexOf(10, start)) {
        yield Buffer.concat([...pending, chunk.subarray(start, at)]).toString('utf8');
        pending = [];
        start = at + 1;
      }
      if (start < length) pending.push(Buffer.from(chunk.subarray(start, length)));
    }
    if (pending.length > 0) yield Buffer.concat(pending).toString('utf8');
  } finally {
    closeSync(descriptor);
  }
}

/** A file that the command line names and that cannot be read is the user's to mend, not a fault. */
function inFile<Result>(path: string, read: (path: string) => Result): Result {
  try {
    return read(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (typeof code !== 'string' || error instanceof CommandFailure) throw error;
    throw new CommandFailure('FILE_UNREADABLE', `cannot read ${path} (${code})`, { cause: error });
  }
}

function reportText(report: JournalReport): string {
  const range = report.firstSeq === undefined ? '' : ` (${report.firstSeq} to ${report.lastSeq})`;
  const lines = [
    `${report.ok ? 'intact' : 'NOT INTACT'}: ${report.records} records${range}, ${report.checkpoints} checkpoints, ${report.gaps.length} gaps`,
  ];
  for (const fault of report.faults) lines.push(`  ${fault.partition} ${fault.seq}: ${fault.problem}`);
  for (const gap of report.gaps) lines.push(`  gap at ${gap.seq}: ${gap.from ?? '?'} to ${gap.to ?? '?'}`);
  return lines.map((line) => `${plain(line)}\n`).join('');
}
