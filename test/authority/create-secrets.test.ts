import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSecrets } from '../../src/authority/create-secrets.ts';
import { readSigning } from '../../src/authority/signing.ts';

const random = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(7);

describe('createSecrets', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keygate-secrets-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('creates what is missing, readable by the owner alone', async () => {
    const inner = join(folder, 'a', 'var');
    const paths = { pepper: join(inner, 'pepper'), seal: join(inner, 'seal'), signing: join(inner, 'signing.jwk') };
    expect(await createSecrets({ paths, random })).toEqual({ created: Object.values(paths), kept: [] });
    for (const file of Object.values(paths)) expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(inner)).mode & 0o777).toBe(0o700);
    const pepper = (await readFile(paths.pepper, 'utf8')).trim();
    expect(Buffer.from(pepper, 'base64url')).toEqual(Buffer.from(random(32)));
    expect(() => readSigning('')).toThrow();
    expect(readSigning(await readFile(paths.signing, 'utf8')).es256.kid).toMatch(/^[\w-]{43}$/);
  });

  it('never overwrites', async () => {
    const pepper = join(folder, 'pepper');
    await writeFile(pepper, 'mine');
    expect(await createSecrets({ paths: { pepper }, random })).toEqual({ created: [], kept: [pepper] });
    expect(await readFile(pepper, 'utf8')).toBe('mine');
  });

  it('does not follow a symbolic link to a file that does not exist yet', async () => {
    const target = join(folder, 'target');
    const pepper = join(folder, 'pepper');
    await symlink(target, pepper);
    expect((await createSecrets({ paths: { pepper }, random })).kept).toEqual([pepper]);
    await expect(stat(target)).rejects.toThrow('ENOENT');
  });

  it('leaves nothing behind where the secret cannot be made', async () => {
    const pepper = join(folder, 'pepper');
    const broken = (): never => {
      throw new Error('no randomness');
    };
    await expect(createSecrets({ paths: { pepper }, random: broken })).rejects.toThrow('no randomness');
    await expect(stat(pepper)).rejects.toThrow('ENOENT');
  });

  it('lets two that run at once agree on one secret', async () => {
    const pepper = join(folder, 'pepper');
    let fill = 0;
    const differing = (bytes: number): Uint8Array => {
      fill += 1;
      return new Uint8Array(bytes).fill(fill);
    };
    const results = await Promise.all([1, 2, 3, 4].map(async () => await createSecrets({ paths: { pepper }, random: differing })));
    expect(results.filter((result) => result.created.length === 1)).toHaveLength(1);
    expect(Buffer.from((await readFile(pepper, 'utf8')).trim(), 'base64url')).toHaveLength(32);
  });
});
