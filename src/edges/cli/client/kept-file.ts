import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CommandFailure } from '../failure.ts';

/** The name under which a file is kept as it was before keygate first changed it. */
export function backupOf(path: string): string {
  return `${path}.keygate-backup`;
}

/** The text of a file, undefined where there is none. @throws CommandFailure where it cannot be read, or is too large to be a configuration */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    const { size } = await stat(path);
    if (size > 4 * 1024 * 1024) throw new CommandFailure('FILE_TOO_LARGE', `${path} is too large to be a configuration`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error instanceof CommandFailure ? error : new CommandFailure('FILE_UNREADABLE', `${path} cannot be read`, { cause: error });
  }
}

/**
 * Replaces a file as a whole, through a link to it, keeping its mode or taking the given one. What was there before the first change is kept
 * beside it; a file that was not there is kept as an empty one. Nothing that was kept is ever overwritten.
 */
export async function replaceKept(path: string, text: string, options: { mode?: number } = {}): Promise<void> {
  const target = await realpath(path).catch(() => path);
  await mkdir(dirname(target), { recursive: true });
  const before = await stat(target).catch(() => undefined);
  const backup = backupOf(path);
  if (before) {
    // Whoever may not read the file may not read what is kept of it either.
    await copyFile(target, backup, constants.COPYFILE_EXCL).then(() => chmod(backup, before.mode & 0o777), ignoreExisting);
  } else await writeFile(backup, '', { flag: 'wx', mode: 0o600 }).catch(ignoreExisting);
  await writeWhole(target, text, options.mode ?? (before ? before.mode & 0o777 : 0o600));
}

/** Puts back what was kept, byte for byte. @throws CommandFailure where nothing was kept */
export async function putBack(path: string): Promise<'restored' | 'removed'> {
  const backup = backupOf(path);
  const kept = await stat(backup).catch(() => undefined);
  if (!kept) throw new CommandFailure('NO_BACKUP', `there is no ${backup}: nothing to undo`);
  const target = await realpath(path).catch(() => path);
  if (kept.size === 0) {
    await rm(target, { force: true });
    await rm(backup);
    return 'removed';
  }
  await writeWhole(target, await readFile(backup), kept.mode & 0o777);
  await rm(backup);
  return 'restored';
}

/** Writes a secret where nobody else may read it. @returns false where the file holds something else already */
export async function writeSecret(path: string, secret: string): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(path, `${secret}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    ignoreExisting(error);
    return (await readFile(path, 'utf8')) === `${secret}\n`;
  }
}

/** Nobody ever sees half a file. */
async function writeWhole(path: string, content: string | Buffer, mode: number): Promise<void> {
  const beside = `${path}.keygate-${randomUUID()}`;
  await writeFile(beside, content, { mode, flag: 'wx' });
  // The mode given above passes through the process' mask.
  await chmod(beside, mode);
  await rename(beside, path);
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}
