import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createVaultSecrets } from '../../../src/adapters/secrets/vault.ts';
import { startRecordingServer } from '../../support/recording-server.ts';
import { type SecretStore, startVaultStore } from '../../support/secret-stores.ts';

const token = 'hvs.fake-token';
let store: SecretStore;

beforeEach(async () => {
  store = await startVaultStore({ 'secret/data/keygate/wiki': { token: 'from-vault', port: 5 } }, { token });
});
afterEach(() => store.close());

const read = (name: string, env: Record<string, string> = { VAULT_ADDR: `${store.url}/`, VAULT_TOKEN: token }, cwd = '/') =>
  createVaultSecrets({ env, cwd }).read(name, { signal: AbortSignal.timeout(5_000) });

test('mount/path is read under /v1/<mount>/data/<path>, and its members are JSON text', async () => {
  expect(await read('secret/keygate/wiki')).toEqual({ value: '{"token":"from-vault","port":5}' });
  expect(store.asked[0]?.name).toBe('secret/data/keygate/wiki');
  expect(store.asked[0]?.headers).toMatchObject({ 'x-vault-token': token, 'x-vault-request': 'true' });
});

test('a namespace is passed on', async () => {
  await read('secret/keygate/wiki', { VAULT_ADDR: store.url, VAULT_TOKEN: token, VAULT_NAMESPACE: 'team-a' });
  expect(store.asked[0]?.headers).toMatchObject({ 'x-vault-namespace': 'team-a' });
});

test('the token file is read at each use', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-vault-'));
  const env = { VAULT_ADDR: store.url, VAULT_TOKEN_FILE: 'token' };
  const secrets = createVaultSecrets({ env, cwd: folder });
  const signal = AbortSignal.timeout(5_000);
  expect(await secrets.read('secret/keygate/wiki', { signal })).toEqual({
    message: 'cannot be looked for: VAULT_TOKEN_FILE cannot be read (ENOENT)',
  });
  await writeFile(join(folder, 'token'), 'hvs.old\n');
  expect(await secrets.read('secret/keygate/wiki', { signal })).toEqual({ message: 'may not be read with this Vault token' });
  await writeFile(join(folder, 'token'), `${token}\n`);
  expect(await secrets.read('secret/keygate/wiki', { signal })).toHaveProperty('value');
  await rm(folder, { recursive: true });
});

test.each([
  ['secret/nowhere', 'does not exist'],
  ['secret', 'is not a mount and a path'],
  ['secret/../sys/seal-status', 'is not a mount and a path'],
  ['secret//x', 'is not a mount and a path'],
])('%s %s', async (name, message) => {
  expect(await read(name)).toMatchObject({ message });
});

test('names stay inside their path', async () => {
  await read('secret/a?b=c#d%2e');
  expect(store.asked[0]?.name).toBe('secret/data/a?b=c#d%2e');
});

test('what is missing is named', async () => {
  expect(await read('secret/x', {})).toMatchObject({ message: 'cannot be looked for: VAULT_ADDR is not set' });
  expect(await read('secret/x', { VAULT_ADDR: store.url })).toMatchObject({ message: 'cannot be looked for: there is no Vault token' });
  expect(await read('secret/x', { VAULT_ADDR: 'vault:8200', VAULT_TOKEN: token })).toMatchObject({
    message: 'cannot be looked for: VAULT_ADDR is not an http or https URL',
  });
});

test('other answers are told by their status, and none is quoted or followed', async () => {
  let answer = { status: 503, headers: {}, body: '{"errors":["sealed"]}' };
  const server = await startRecordingServer(
    (_request, response) => void response.writeHead(answer.status, answer.headers).end(answer.body),
  );
  const ask = () => read('secret/x', { VAULT_ADDR: `http://127.0.0.1:${server.port}`, VAULT_TOKEN: token });
  expect(await ask()).toEqual({ message: 'cannot be read: Vault is sealed or not ready' });
  answer = { status: 307, headers: { location: `${store.url}/v1/secret/data/keygate/wiki` }, body: '' };
  expect(await ask()).toEqual({ message: 'cannot be read (Vault answered 307)' });
  answer = { status: 200, headers: {}, body: 'not-json-but-secret' };
  expect(await ask()).toEqual({ message: 'is not of a key-value store of version 2' });
  answer = { status: 200, headers: {}, body: JSON.stringify({ data: { data: { big: 'x'.repeat(2 * 1024 * 1024) } } }) };
  expect(await ask()).toEqual({ message: 'cannot be read (RangeError)' });
  await server.close();
  expect(await ask()).toEqual({ message: 'cannot be fetched: Vault is not reachable (ECONNREFUSED)' });
  expect(store.asked).toEqual([]);
});
