import { link, mkdir, open, readdir, readFile, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Archive, ArchiveName, ArchiveSeries } from '../../ports/archive.ts';
import { baseName, folderOf, isFolderName, numberOf, objectName } from './object-name.ts';

/**
 * An archive in a folder, which every replica must have mounted (a local disk where there is one machine). Files are 0600, folders 0700.
 * The file system must support hard links: a text gets its name in one step, whole or not at all.
 * @param options.random  names files that are not finished
 */
export function createFolderArchive({ folder, random }: { folder: string; random: (bytes: number) => Buffer }): Archive {
  const pathOf = (name: ArchiveName): string => join(folder, objectName(name));
  return {
    async put(name, text) {
      const parent = join(folder, folderOf(name));
      await makeFolder(folder, name);
      const unfinished = join(parent, `.${baseName(name.number)}.${random(8).toString('hex')}`);
      try {
        await writeDurably(unfinished, text);
        // A link to a name that exists fails, in one step for all machines: this is the fence.
        if (!(await linked(unfinished, pathOf(name)))) return false;
        await syncFolder(parent);
        return true;
      } finally {
        await unlink(unfinished).catch(() => undefined);
      }
    },
    get: (name) => unlessAbsent(readFile(pathOf(name), 'utf8'), undefined),
    newest: (series) => newestIn(folder, series),
    async remove(name) {
      await rm(pathOf(name), { force: true });
    },
    describe: () => `the folder ${folder}`,
  };
}

async function newestIn(folder: string, series: ArchiveSeries): Promise<number> {
  const inner = join(folder, series);
  const folders = (await unlessAbsent(readdir(inner), [])).filter(isFolderName).sort().reverse();
  for (const name of folders) {
    const numbers = (await readdir(join(inner, name))).flatMap((base) => numberOf(base) ?? []);
    if (numbers.length > 0) return numbers.reduce((most, number) => Math.max(most, number));
  }
  return 0;
}

/** Each folder's name is durable before anything is kept in it. */
async function makeFolder(folder: string, name: ArchiveName): Promise<void> {
  const parent = join(folder, folderOf(name));
  const first = await mkdir(parent, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  await syncFolder(join(folder, name.series));
  await syncFolder(folder);
  await syncFolder(join(folder, '..'));
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text, 'utf8');
    await file.sync();
  } finally {
    await file.close();
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const opened = await open(path, 'r');
  try {
    await opened.sync();
  } finally {
    await opened.close();
  }
}

/** Only a file that is not there is absent; one that may not be read is a fault. */
async function unlessAbsent<Found>(reading: Promise<Found>, absent: Found): Promise<Found>;
async function unlessAbsent<Found>(reading: Promise<Found>, absent: undefined): Promise<Found | undefined>;
async function unlessAbsent<Found>(reading: Promise<Found>, absent: Found | undefined): Promise<Found | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return absent;
    throw error;
  }
}
