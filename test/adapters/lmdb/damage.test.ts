import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openIn, temporaryFolder } from './open.ts';

const pageSize = 4096;
let outer: string;
let sound: Buffer;

beforeAll(async () => {
  outer = temporaryFolder();
  const store = await openIn(join(outer, 'sound'));
  for (let n = 0; n < 40; n += 1) {
    await Promise.all(
      Array.from({ length: 20 }, (_, m) => store.ledger.record({ kind: 'call.refused', fact: `${n} ${m} `.repeat(m === 7 ? 900 : 60) })),
    );
  }
  await store.close();
  sound = readFileSync(join(outer, 'sound', 'store', 'data.mdb'));
});
afterAll(() => rmSync(outer, { recursive: true }));

/** A copy of the sound store, damaged. */
function damaged(name: string, damage: (path: string) => void): string {
  const folder = join(outer, name);
  mkdirSync(join(folder, 'store'), { recursive: true });
  copyFileSync(join(outer, 'sound', 'checkpoints.jsonl'), join(folder, 'checkpoints.jsonl'));
  const path = join(folder, 'store', 'data.mdb');
  writeFileSync(path, sound);
  damage(path);
  return folder;
}

function overwrite(path: string, offset: number, length: number): void {
  const bytes = Buffer.from(sound);
  bytes.fill(0xa5, offset, offset + length);
  writeFileSync(path, bytes);
}

/** The file with one page holding the one after it, as a disk leaves it that wrote to the wrong place. */
function misplaced(page: number): Buffer {
  const bytes = Buffer.from(sound);
  sound.copy(bytes, page * pageSize, (page + 1) * pageSize, (page + 2) * pageSize);
  return bytes;
}

describe('a damaged file refuses to open, says which file and what to do, and is left as it is', () => {
  test.each<[string, (path: string) => void]>([
    ['the first page overwritten', (path) => overwrite(path, 0, pageSize)],
    ['the second page overwritten', (path) => overwrite(path, pageSize, pageSize)],
    ['both first pages overwritten', (path) => overwrite(path, 0, 2 * pageSize)],
    ['the middle overwritten', (path) => overwrite(path, Math.floor(sound.length / 2 / pageSize) * pageSize, 64 * pageSize)],
    ['another kind of file', (path) => writeFileSync(path, 'not a database\n'.repeat(1000))],
    ['cut to nothing', (path) => truncateSync(path, 0)],
    ['cut to less than a page', (path) => truncateSync(path, 100)],
    ['cut in the middle', (path) => truncateSync(path, Math.floor(sound.length / 2))],
    ['gone', (path) => rmSync(path)],
  ])('%s', async (name, damage) => {
    const folder = damaged(name, damage);
    const path = join(folder, 'store', 'data.mdb');
    const before = statSync(path, { throwIfNoEntry: false })?.size;
    await expect(openIn(folder)).rejects.toThrow(path);
    await expect(openIn(folder)).rejects.toThrow(/Restore the store from a backup.*keygate journal verify/);
    expect(statSync(path, { throwIfNoEntry: false })?.size).toBe(before);
  });

  test('any one page overwritten or misplaced: refused, when it is opened or when what it held is read, or harmless, never the end of the process', () => {
    const folders: string[] = [];
    for (let page = 0; page < sound.length / pageSize; page += 7) {
      folders.push(damaged(`page ${page}`, (path) => overwrite(path, page * pageSize, pageSize)));
      folders.push(damaged(`misplaced ${page}`, (path) => writeFileSync(path, misplaced(page))));
    }
    const script = `import { openIn } from ${JSON.stringify(new URL('open.ts', import.meta.url).href)};
      for (const folder of ${JSON.stringify(folders)}) {
        try {
          const store = await openIn(folder);
          const records = (await store.journal.read({ after: 0, limit: 100_000 })).length;
          await store.ledger.record({ kind: 'call.refused' });
          await store.close();
          console.log('whole ' + records);
        } catch (error) {
          console.log(error.message.includes('is damaged') && error.message.includes('Restore the store') ? 'refused' : 'other ' + error.stack);
        }
      }`;
    const { stdout, signal, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
    expect({ signal, status }).toEqual({ signal: null, status: 0 });
    const answers = stdout.trimEnd().split('\n');
    expect(answers).toHaveLength(folders.length);
    expect(answers.filter((answer) => answer !== 'refused' && answer !== 'whole 800')).toEqual([]);
    expect(answers.filter((answer) => answer === 'refused').length).toBeGreaterThan(10);
  });
});

test('a garbled lock file is made anew: it holds nothing that lasts', async () => {
  const folder = damaged('lock', (path) => writeFileSync(join(path, '..', 'lock.mdb'), Buffer.alloc(8192, 0xa5)));
  const store = await openIn(folder);
  expect(await store.journal.read({ after: 0, limit: 1000 })).toHaveLength(800);
  await store.close();
});

test('a sound file opens while another process commits to it all the time', async () => {
  const folder = damaged('busy', () => undefined);
  const busy = await openIn(folder);
  let open = true;
  const writing = (async () => {
    while (open) await busy.ledger.record({ kind: 'call.refused' });
  })();
  const script = `import { openIn } from ${JSON.stringify(new URL('open.ts', import.meta.url).href)};
    for (let n = 0; n < 30; n += 1) await (await openIn(${JSON.stringify(folder)})).close();`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'ignore', 'inherit'] });
  const code = await new Promise((resolve) => child.once('close', resolve));
  open = false;
  await writing;
  expect(code).toBe(0);
  await busy.close();
});
