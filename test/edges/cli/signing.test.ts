import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { composeSigningKeys } from '../../../src/authority/create-secrets.ts';
import type { SigningKeyView } from '../../../src/authority/signing-set.ts';
import { createMemoryAuthority, type MemoryAuthority } from '../../support/memory-authority.ts';
import { overAuthority, runCommand } from './run-command.ts';

let cwd: string;
let memory: MemoryAuthority;
beforeEach(async () => {
  memory = createMemoryAuthority();
  cwd = await mkdtemp(join(tmpdir(), 'keygate-cli-signing-'));
  await writeFile(join(cwd, 'keygate.yaml'), 'store: .\nupstreams: {}\n');
  await writeFile(join(cwd, 'signing.jwk'), composeSigningKeys(), { mode: 0o600 });
});
afterEach(() => rm(cwd, { recursive: true }));

const run = (...argv: string[]) => runCommand(['--config', 'keygate.yaml', 'signing', ...argv], { cwd, ...overAuthority(memory) });
const keys = async () => (await run('list', '--json')).document<{ keys: SigningKeyView[] }>().keys;
const roles = async () => (await keys()).map(({ alg, role }) => `${alg} ${role}`);

test('a rotation, command by command, shows no private member', async () => {
  const secrets = (JSON.parse(await readFile(join(cwd, 'signing.jwk'), 'utf8')) as { keys: { d: string }[] }).keys.map(({ d }) => d);
  const printed: string[] = [];
  const told = async (...argv: string[]) => {
    const ran = await run(...argv);
    printed.push(ran.out, ran.err);
    return ran;
  };
  expect((await told('add')).code).toBe(0);
  expect(await roles()).toEqual(['ES256 current', 'EdDSA current', 'ES256 next', 'EdDSA next']);
  expect(await told('add')).toMatchObject({ code: 1, err: expect.stringContaining('A next key waits already') });
  const promoted = await told('promote', '--json');
  expect(promoted.document<{ warnings: string[] }>().warnings).toEqual([expect.stringMatching(/^the keys were changed \d+ s ago/)]);
  expect(await roles()).toEqual(['ES256 current', 'EdDSA current', 'ES256 retired', 'EdDSA retired']);
  const [current, , retired] = await keys();
  expect((await run('remove', '--json', '--', current?.kid ?? '')).code).toBe(1);
  expect((await run('remove', '--', 'nobody')).code).toBe(1);
  for (const secret of secrets) expect(printed.join('\n')).not.toContain(secret);
  expect(retired?.role).toBe('retired');
  expect((await stat(join(cwd, 'signing.jwk'))).mode & 0o777).toBe(0o600);
});

test('remove takes a retired key away', async () => {
  await run('add');
  await run('promote');
  const retired = (await keys()).find(({ alg, role }) => alg === 'ES256' && role === 'retired')?.kid ?? '';
  const ran = await run('remove', '--', retired);
  expect(ran).toMatchObject({ code: 0 });
  expect(await roles()).toEqual(['ES256 current', 'EdDSA current', 'EdDSA retired']);
  const acts = memory.texts.map((text) => JSON.parse(text) as { kind: string; act: string });
  expect(acts.map(({ kind, act }) => `${kind} ${act}`)).toEqual([
    'signing.changed add',
    'signing.changed promote',
    'signing.changed remove',
  ]);
});

test('keys that come from elsewhere, and a file that is not there, are told', async () => {
  await writeFile(join(cwd, 'keygate.yaml'), 'store: .\nkeys: { signing: "${aws:signing}" }\nupstreams: {}\n');
  expect(await run('add')).toMatchObject({ code: 1, err: expect.stringContaining('keys.signing does not come from a file') });
  await writeFile(join(cwd, 'keygate.yaml'), 'store: ./nowhere\nupstreams: {}\n');
  expect(await run('list')).toMatchObject({ code: 1, err: expect.stringContaining('ENOENT') });
});
