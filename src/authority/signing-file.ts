import { open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Conflict } from './problems.ts';

/**
 * Replaces a file of signing keys as a whole, mode 0600: whoever reads it, and a crash, finds the old text or the new one. The new text
 * is written beside it, and one that stands there keeps a second change away.
 * @param change the old text to the new one; what it throws leaves the file as it was
 * @returns the old and the new text, and how long ago the old one was written, in milliseconds
 * @throws Conflict where another change runs or broke off, Error of the file system
 */
export async function changeSigningFile(
  path: string,
  change: (text: string) => string,
  now: number,
): Promise<{ before: string; after: string; ageMs: number }> {
  // A link is followed: what it points at is the file.
  const target = await realpath(path);
  const beside = `${target}.new`;
  const file = await open(beside, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new Conflict(`Another change of the signing keys runs, or broke off: remove ${beside} if none runs.`);
  });
  try {
    const { mtimeMs } = await stat(target);
    const before = await readFile(target, 'utf8');
    const after = change(before);
    await file.writeFile(after);
    await file.sync();
    await file.close();
    await rename(beside, target);
    await syncFolder(dirname(target));
    return { before, after, ageMs: Math.max(0, now - mtimeMs) };
  } catch (error) {
    await file.close().catch(() => undefined);
    await unlink(beside).catch(() => undefined);
    throw error;
  }
}

/** The rename itself is durable only once the folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
