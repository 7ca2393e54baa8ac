import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { watchConfig } from '../../src/config/watch.ts';
import { folderWith } from './folder.ts';

/** Watches, counts, and lets a test wait for the next call. */
function watching(sources: () => string[]) {
  let calls = 0;
  let wake: (() => void) | undefined;
  const watcher = watchConfig({
    sources,
    settleMs: 20,
    onChange: () => {
      calls += 1;
      wake?.();
    },
  });
  onTestFinished(() => watcher.close());
  return {
    watcher,
    calls: () => calls,
    change: (act: () => void): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
        act();
      }),
  };
}

describe('watchConfig', () => {
  it('sees a write in place, a rename over the file, its removal and its return', async () => {
    const folder = folderWith({ 'a.yaml': '1' });
    const file = join(folder.path, 'a.yaml');
    const watched = watching(() => [file]);
    await watched.change(() => writeFileSync(file, '2'));
    await watched.change(() => renameSync(folder.write('a.yaml.new', '3'), file));
    await watched.change(() => rmSync(file));
    await watched.change(() => writeFileSync(file, '3'));
    expect(watched.calls()).toBe(4);
  });

  it('sees the swap of the link by which Kubernetes replaces a mounted folder', async () => {
    const folder = folderWith({ '..one/a.yaml': '1', '..two/a.yaml': '2' });
    symlinkSync('..one', join(folder.path, '..data'));
    symlinkSync('..data/a.yaml', join(folder.path, 'a.yaml'));
    const watched = watching(() => [join(folder.path, 'a.yaml')]);
    await watched.change(() => {
      symlinkSync('..two', join(folder.path, '..data_tmp'));
      renameSync(join(folder.path, '..data_tmp'), join(folder.path, '..data'));
    });
    expect(watched.calls()).toBe(1);
  });

  it('watches a source that is named later, from its content as it is then', async () => {
    const folder = folderWith({ 'a.yaml': '1', 'later/b': '1' });
    const named = [join(folder.path, 'a.yaml')];
    const watched = watching(() => named);
    named.push(join(folder.path, 'later/b'));
    watched.watcher.follow();
    await watched.change(() => folder.write('later/b', '2'));
    expect(watched.calls()).toBe(1);
  });

  it('follows a link to a file in another folder', async () => {
    const folder = folderWith({ 'real/a.yaml': '1', 'named/x': '' });
    symlinkSync('../real/a.yaml', join(folder.path, 'named/a.yaml'));
    const watched = watching(() => [join(folder.path, 'named/a.yaml')]);
    await watched.change(() => writeFileSync(join(folder.path, 'real/a.yaml'), '2'));
    expect(watched.calls()).toBe(1);
  });

  it('does nothing for other files in the folder and for the same content', async () => {
    const folder = folderWith({ 'a.yaml': '1', 'b.yaml': '1' });
    const [a, b] = [join(folder.path, 'a.yaml'), join(folder.path, 'b.yaml')];
    const watched = watching(() => [a]);
    // A second watcher, set up later in the same folder, tells when these events have passed.
    const marker = watching(() => [b]);
    await marker.change(() => {
      writeFileSync(a, '1');
      folder.write('other', 'x');
      writeFileSync(b, '2');
    });
    await watched.change(() => writeFileSync(a, '2'));
    expect(watched.calls()).toBe(1);
  });

  it('survives a folder that vanishes, and sees its files when it is back', async () => {
    const folder = folderWith({ 'conf/deep/a.yaml': '1' });
    const file = join(folder.path, 'conf/deep/a.yaml');
    const watched = watching(() => [file]);
    await watched.change(() => rmSync(join(folder.path, 'conf'), { recursive: true }));
    await watched.change(() => {
      mkdirSync(join(folder.path, 'conf/deep'), { recursive: true });
      writeFileSync(file, '2');
    });
    await watched.change(() => writeFileSync(file, '3'));
    expect(watched.calls()).toBe(3);
  });

  it('follows the list of sources as it changes', async () => {
    const folder = folderWith({ 'a.yaml': '1', 'secrets/token': '1' });
    const sources = [join(folder.path, 'a.yaml')];
    const watched = watching(() => sources);
    await watched.change(() => {
      sources.push(join(folder.path, 'secrets/token'));
      writeFileSync(join(folder.path, 'a.yaml'), '2');
    });
    await watched.change(() => folder.write('secrets/token', '2'));
    expect(watched.calls()).toBe(2);
  });

  it('calls once for many writes in a row, and not at all once closed', async () => {
    const folder = folderWith({ 'a.yaml': '0', 'b.yaml': '0' });
    const [a, b] = [join(folder.path, 'a.yaml'), join(folder.path, 'b.yaml')];
    const watched = watching(() => [a]);
    await watched.change(() => {
      for (let turn = 1; turn <= 20; turn++) writeFileSync(a, String(turn));
    });
    watched.watcher.close();
    const marker = watching(() => [b]);
    await marker.change(() => {
      writeFileSync(a, 'late');
      writeFileSync(b, '1');
    });
    expect(watched.calls()).toBe(1);
  });
});
