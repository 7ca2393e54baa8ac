import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { composeSigningKeys } from '../../src/authority/create-secrets.ts';
import { Conflict, NotFound } from '../../src/authority/problems.ts';
import { readSigning } from '../../src/authority/signing.ts';
import { changeSigningFile } from '../../src/authority/signing-file.ts';
import { addSigning, listSigning, promoteSigning, removeSigning } from '../../src/authority/signing-set.ts';

const roles = (text: string) => listSigning(text).map(({ alg, role }) => `${alg} ${role}`);
const kidOf = (text: string, wanted: string) => listSigning(text).find(({ alg, role }) => `${alg} ${role}` === wanted)?.kid ?? 'none';

describe('a rotation', () => {
  const first = composeSigningKeys();
  const added = addSigning(first);
  const promoted = promoteSigning(added);

  test('add publishes the next keys, and the current ones go on signing', () => {
    expect(roles(added)).toEqual(['ES256 current', 'EdDSA current', 'ES256 next', 'EdDSA next']);
    expect(readSigning(added).es256.kid).toBe(readSigning(first).es256.kid);
    expect(readSigning(added).publicJwks.keys).toHaveLength(4);
    expect(() => addSigning(added)).toThrow(Conflict);
  });

  test('promote lets them sign, and leaves of the old ones only what verifies', () => {
    expect(roles(promoted)).toEqual(['ES256 current', 'EdDSA current', 'ES256 retired', 'EdDSA retired']);
    expect(readSigning(promoted).es256.kid).toBe(kidOf(added, 'ES256 next'));
    expect(readSigning(promoted).ed25519.kid).toBe(kidOf(added, 'EdDSA next'));
    const old = JSON.parse(first) as { keys: { d: string }[] };
    for (const { d } of old.keys) expect(promoted).not.toContain(d);
    expect(() => promoteSigning(promoted)).toThrow(Conflict);
  });

  test('what the old key signed verifies still', () => {
    const kid = readSigning(first).ed25519.kid;
    expect(readSigning(promoted).checkpointKeys.has(kid)).toBe(true);
    const es256 = readSigning(first).es256.kid;
    expect(readSigning(promoted).publicJwks.keys.map((key) => (key as { kid?: string }).kid)).toContain(es256);
  });

  test('remove takes an EC key away and keeps the public half of an Ed25519 key', () => {
    const without = removeSigning(promoted, kidOf(promoted, 'ES256 retired'));
    expect(roles(without)).toEqual(['ES256 current', 'EdDSA current', 'EdDSA retired']);
    expect(removeSigning(without, kidOf(without, 'EdDSA retired'))).toBe(without);
    const never = removeSigning(added, kidOf(added, 'EdDSA next'));
    expect(roles(never)).toEqual(['ES256 current', 'EdDSA current', 'ES256 next', 'EdDSA retired']);
  });

  test('the current key and unknown ones are refused', () => {
    expect(() => removeSigning(first, kidOf(first, 'ES256 current'))).toThrow(Conflict);
    expect(() => removeSigning(first, 'nobody')).toThrow(NotFound);
  });
});

describe('the file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keygate-signing-'));
    path = join(folder, 'signing.jwk');
    await writeFile(path, 'old', { mode: 0o644 });
  });
  afterEach(() => rm(folder, { recursive: true }));

  test('is replaced whole, for its owner only', async () => {
    const changed = await changeSigningFile(path, (text) => `${text} and new`, Date.now() + 60_000);
    expect(changed).toMatchObject({ before: 'old', after: 'old and new' });
    expect(changed.ageMs).toBeGreaterThanOrEqual(59_000);
    expect(await readFile(path, 'utf8')).toBe('old and new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['signing.jwk']);
  });

  test('stays as it was where the change is refused', async () => {
    const refuse = () => {
      throw new Conflict('no');
    };
    await expect(changeSigningFile(path, refuse, 0)).rejects.toThrow(Conflict);
    expect(await readFile(path, 'utf8')).toBe('old');
    expect(await readdir(folder)).toEqual(['signing.jwk']);
  });

  test('is changed by one at a time', async () => {
    await writeFile(`${path}.new`, 'another');
    await expect(changeSigningFile(path, () => 'mine', 0)).rejects.toThrow(/Another change/);
    expect(await readFile(`${path}.new`, 'utf8')).toBe('another');
    expect(await readFile(path, 'utf8')).toBe('old');
  });

  test('a link stays a link', async () => {
    const link = join(folder, 'link');
    await symlink('signing.jwk', link);
    await changeSigningFile(link, () => 'new', 0);
    expect(await readFile(path, 'utf8')).toBe('new');
  });
});
