import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { secretFiles } from '../../src/config/secret-files.ts';
import { folderWith } from './folder.ts';

async function find(text: string, env: Record<string, string> = {}) {
  const { path } = folderWith({ 'keygate.yaml': text });
  const found = await secretFiles({ file: 'keygate.yaml', env, cwd: path });
  return { path, found };
}

describe('secretFiles', () => {
  it('gives the defaults in the store folder, existing or not', async () => {
    const { path, found } = await find('upstreams: {}\n');
    expect(found).toEqual({
      pepper: join(path, 'var/pepper'),
      seal: join(path, 'var/seal'),
      signing: join(path, 'var/signing.jwk'),
      problems: [],
    });
    const moved = await find('store: "${WHERE}/s"\nkeys: { prefix: x }\n', { WHERE: '/srv' });
    expect(moved.found).toEqual({ pepper: '/srv/s/pepper', seal: '/srv/s/seal', signing: '/srv/s/signing.jwk', problems: [] });
  });

  it('gives the defaults in ./var where the store is Redis', async () => {
    const { path, found } = await find('store: redis://:secret@h\n');
    expect(found).toMatchObject({ pepper: join(path, 'var/pepper'), seal: join(path, 'var/seal'), problems: [] });
  });

  it('gives the file of a plain reference, the newest of a list, and nothing for other values', async () => {
    const text = 'keys:\n  pepper: ["${file:new}", "${file:/old}"]\n  seal: ${env:SEAL}\n  signing: ${file:/run/signing.jwk}\n';
    const { path, found } = await find(text);
    expect(found).toEqual({ pepper: join(path, 'new'), signing: '/run/signing.jwk', problems: [] });
  });

  it('says what stands in the way', async () => {
    expect((await find('store: ${NOPE}\n')).found.problems).toMatchObject([{ path: 'store', line: 1 }]);
    expect((await find('store: http://h\n')).found).toEqual({
      problems: [{ path: 'store', line: 1, column: 1, message: 'must be a folder or a Redis URL' }],
    });
    expect((await find('a: [\n')).found.problems).toHaveLength(1);
    const missing = await secretFiles({ file: 'nowhere.yaml', env: {}, cwd: '/' });
    expect(missing).toEqual({ problems: [{ path: '', message: 'the file does not exist' }] });
  });
});
