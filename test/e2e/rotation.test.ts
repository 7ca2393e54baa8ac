import { readFileSync } from 'node:fs';
import { mkdir, readlink, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { composeSigningKeys } from '../../src/authority/create-secrets.ts';
import { digestKey } from '../../src/domain/credential.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startVaultStore } from '../support/secret-stores.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(more: (upstream: RecordingUpstream) => Record<string, unknown> = () => ({}), env: Record<string, string> = {}) {
  const upstream = await startRecordingUpstream();
  closers.push(() => upstream.close());
  const gate = await startTestGateway({ upstreams: { up: upstreamConfig(upstream.url) }, ...more(upstream) }, { env });
  closers.push(() => gate.close());
  return { upstream, gate };
}

const secretFile = (gate: TestGateway, name: string) => join(gate.folder, 'var', name);
const reloads = (gate: TestGateway, count: number) => gate.journalled('config.reloaded', count);
/** Rewrites the configuration; every `${file:}` in it is a folder of its own. */
async function configure(gate: TestGateway, keys: Record<string, unknown>): Promise<void> {
  const config = JSON.parse(readFileSync(gate.configFile, 'utf8')) as Record<string, unknown>;
  await writeFile(`${gate.configFile}.new`, JSON.stringify({ ...config, keys }));
  await rename(`${gate.configFile}.new`, gate.configFile);
}
const call = (gate: TestGateway, key: string, headers: Record<string, string> = {}) =>
  post(`${gate.url}/mcp/up`, { key, body: toolCall('tool_0', { same: 'arguments' }), headers });
const statusOf = async (gate: TestGateway, key: string) => (await call(gate, key, { 'mcp-session-id': await session(gate, key) })).status;

async function session(gate: TestGateway, key: string): Promise<string> {
  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const { headers, text } = await post(`${gate.url}/mcp/up`, { key, body: { jsonrpc: '2.0', id: 1, method: 'initialize', params } });
  const id = headers.get('mcp-session-id');
  if (id === null) throw new Error(text);
  return id;
}

test('Kubernetes swaps ..data: a new pepper makes new keys, keys under the old one live on, without it nothing changes', async () => {
  const { gate } = await open();
  const { key: old } = await gate.mint({ scopes: ['read:up'] });
  const pepper = readFileSync(secretFile(gate, 'pepper'), 'utf8').trim();

  // What kubelet makes of a mounted secret: files are links into ..data, which is a link to the version.
  const mount = join(gate.folder, 'mount');
  const version = async (name: string, files: Record<string, string>) => {
    await mkdir(join(mount, name), { recursive: true });
    for (const [file, text] of Object.entries(files)) await writeFile(join(mount, name, file), text);
    await symlink(name, join(mount, '..data_tmp'));
    await rename(join(mount, '..data_tmp'), join(mount, '..data'));
  };
  const newest = 'n'.repeat(40);
  await version('..v1', { newest: pepper, oldest: pepper });
  for (const file of ['newest', 'oldest']) await symlink(`..data/${file}`, join(mount, file));
  await configure(gate, { pepper: ['newest', 'oldest'].map((file) => `\${file:${join(mount, file)}}`) });
  await reloads(gate, 1);

  await version('..v2', { newest, oldest: pepper });
  expect(await readlink(join(mount, '..data'))).toBe('..v2');
  await reloads(gate, 2);
  const { key: fresh, id } = await gate.mint({ scopes: ['read:up'] });
  expect(await statusOf(gate, old)).toBe(200);
  expect(await statusOf(gate, fresh)).toBe(200);
  const kept = (await gate.authority.keyring.get(id))?.digests[0]?.digest;

  expect(kept).toBe(digestKey(fresh, newest));

  // The pepper that the store began with is gone: the last good ones stay in force.
  await version('..v3', { newest, oldest: 'x'.repeat(40) });
  await gate.journalled('config.rejected', 1);
  expect(await statusOf(gate, old)).toBe(200);
  expect(await statusOf(gate, fresh)).toBe(200);
  expect(gate.logged()).toContain('not the one that this store was made with');
  expect(gate.logged()).not.toMatch(/takes effect only after a restart/);
  for (const secret of [pepper, newest, 'x'.repeat(40)]) expect(gate.logged()).not.toContain(secret);
});

test('a new seal seals, and sessions under the old one go on until it is removed', async () => {
  const { gate, upstream } = await open();
  const { key } = await gate.mint({ scopes: ['read:up'] });
  const seal = readFileSync(secretFile(gate, 'seal'), 'utf8').trim();
  const before = await session(gate, key);
  await configure(gate, { seal: ['s'.repeat(40), seal] });
  await reloads(gate, 1);
  expect((await call(gate, key, { 'mcp-session-id': before })).status).toBe(200);
  const after = await session(gate, key);
  expect((await call(gate, key, { 'mcp-session-id': after })).status).toBe(200);
  await configure(gate, { seal: ['s'.repeat(40)] });
  await reloads(gate, 2);
  expect((await call(gate, key, { 'mcp-session-id': before })).status).toBe(404);
  expect((await call(gate, key, { 'mcp-session-id': after })).status).toBe(200);
  expect(upstream.calls('tools/call')).toHaveLength(3);
});

test('new signing keys sign, are published, and a set that cannot sign is rejected', async () => {
  const { gate, upstream } = await open();
  const { key } = await gate.mint({ scopes: ['read:up'] });
  const kid = async () => {
    expect(await statusOf(gate, key)).toBe(200);
    return decodeProtectedHeader(String(upstream.calls('tools/call').at(-1)?.headers['x-keygate-assertion'])).kid;
  };
  const published = async () =>
    ((await (await fetch(`${gate.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] }).keys.map((jwk) => jwk.kid);
  const first = await kid();
  await writeFile(secretFile(gate, 'signing.jwk'), composeSigningKeys());
  await reloads(gate, 1);
  const second = await kid();
  expect(second).not.toBe(first);
  expect(await published()).toContain(second);
  expect(await published()).not.toContain(first);

  await writeFile(secretFile(gate, 'signing.jwk'), '{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"canary"}]}');
  await gate.journalled('config.rejected', 1);
  expect(await kid()).toBe(second);
  expect(gate.logged()).not.toContain('canary');
});

test('secrets of Vault are read again after secrets.refresh, and an outage changes nothing', async () => {
  const vault = await startVaultStore({ 'secret/data/up': { token: 'first-credential' } }, { token: 'hvs.t' });
  closers.push(() => vault.close().catch(() => undefined));
  const credential = { header: 'authorization', value: 'Bearer ${vault:secret/up#token}' };
  const { gate, upstream } = await open(
    ({ url }) => ({ upstreams: { up: upstreamConfig(url, { credential }) }, secrets: { refresh: '1s' } }),
    { VAULT_ADDR: vault.url, VAULT_TOKEN: 'hvs.t' },
  );
  const { key } = await gate.mint({ scopes: ['read:up'] });
  const sent = async () => {
    expect(await statusOf(gate, key)).toBe(200);
    return upstream.calls('tools/call').at(-1)?.headers['authorization'];
  };
  expect(await sent()).toBe('Bearer first-credential');
  vault.set('secret/data/up', { token: 'second-credential' });
  await reloads(gate, 1);
  expect(await sent()).toBe('Bearer second-credential');
  await vault.close();
  await gate.journalled('config.rejected', 1);
  expect(await sent()).toBe('Bearer second-credential');
  // Rounds that found nothing new left nothing on record.
  expect(await gate.journal('config.reloaded')).toHaveLength(1);
  expect(gate.logged()).toContain('needs the secret vault:secret/up, which cannot be fetched');
  expect(gate.logged()).not.toMatch(/first-credential|second-credential|hvs\.t/);
});
