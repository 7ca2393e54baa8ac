import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFolderArchive } from '../../../src/adapters/archive/folder.ts';
import { archiveContract } from './archive-contract.ts';

archiveContract('folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-archive-'));
  const open = () => createFolderArchive({ folder: join(folder, 'made', 'anew'), random: randomBytes });
  return { archive: open(), beside: open(), close: () => rm(folder, { recursive: true }) };
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keygate-archive-'));
});
afterEach(() => rm(folder, { recursive: true }));
const segment = { series: 'segments', number: 12_345 } as const;

test('files and folders are for their owner alone, and one glob reads them in order', async () => {
  const inner = join(folder, 'archive');
  const archive = createFolderArchive({ folder: inner, random: randomBytes });
  await archive.put(segment, 'text');
  const modeOf = async (path: string) => ((await stat(join(inner, path))).mode & 0o777).toString(8);
  expect(await modeOf('.')).toBe('700');
  expect(await modeOf('segments/00000001')).toBe('700');
  expect(await modeOf('segments/00000001/000000012345.jsonl')).toBe('600');
  expect(await readdir(join(inner, 'segments/00000001'))).toEqual(['000000012345.jsonl']);
});

test('what a crash left unfinished, and files of others, are no segments', async () => {
  const archive = createFolderArchive({ folder, random: randomBytes });
  await archive.put(segment, 'text');
  const parent = join(folder, 'segments/00000001');
  for (const name of ['.000000012346.jsonl.00ff', '000000012347.jsonl.tmp', 'notes.txt', '12348.jsonl']) {
    await writeFile(join(parent, name), 'half of a te');
  }
  await writeFile(join(folder, 'segments', 'notes'), '');
  expect(await archive.newest('segments')).toBe(12_345);
  expect(await archive.put({ ...segment, number: 12_346 }, 'next')).toBe(true);
  expect(await archive.newest('segments')).toBe(12_346);
});

test('a folder that cannot be read is a fault, not an empty archive', async () => {
  await writeFile(join(folder, 'segments'), 'a file');
  const archive = createFolderArchive({ folder, random: randomBytes });
  await expect(archive.newest('segments')).rejects.toThrow('ENOTDIR');
  await expect(archive.get(segment)).rejects.toThrow('ENOTDIR');
  await expect(archive.put(segment, 'text')).rejects.toThrow();
});
