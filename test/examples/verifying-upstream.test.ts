import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startVerifyingUpstream } from '../../examples/verifying-upstream/server.ts';
import { changeSigningFile } from '../../src/authority/signing-file.ts';
import { addSigning, listSigning, promoteSigning, removeSigning } from '../../src/authority/signing-set.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { post, toolCall } from '../support/post.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(): Promise<{ gate: TestGateway; url: string }> {
  // Each has to know the other before it starts.
  const [mcp, port] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}/mcp`;
  const gate = await startTestGateway({
    listen: { mcp: `127.0.0.1:${mcp}`, admin: '127.0.0.1:0' },
    upstreams: { who: upstreamConfig(url) },
  });
  closers.push(() => gate.close());
  const upstream = await startVerifyingUpstream({ port, issuer: gate.url, jwksUrl: `${gate.url}/.well-known/jwks.json`, cooldownMs: 0 });
  closers.push(() => upstream.close());
  expect(upstream.url).toBe(url);
  return { gate, url };
}

const published = async (gate: TestGateway) => {
  const { keys } = (await (await fetch(`${gate.url}/.well-known/jwks.json`)).json()) as { keys: { kid: string; d?: string }[] };
  expect(keys.filter((key) => 'd' in key)).toEqual([]);
  return keys.map(({ kid }) => kid);
};

async function who(gate: TestGateway, key: string): Promise<Record<string, unknown>> {
  const { text } = await post(`${gate.url}/mcp/who`, {
    key,
    body: toolCall('who_am_i'),
    headers: { 'mcp-protocol-version': '2025-06-18' },
  });
  const json = text.startsWith('{') ? text : (/^data: (\{.*)$/m.exec(text)?.[1] ?? '{}');
  const { result } = JSON.parse(json) as { result?: { content?: { text: string }[] } };
  const said = result?.content?.[0]?.text;
  if (said === undefined) throw new Error(`the upstream said ${text}`);
  return JSON.parse(said) as Record<string, unknown>;
}

test('it answers who called, before, during and after a rotation of the keys', async () => {
  const { gate } = await open();
  const { key, id } = await gate.mint({ scopes: ['read:up'], orgId: 'acme', agentId: 'devops' });
  const caller = { key: id, org: 'acme', agent: 'devops', environment: 'live', parents: [] };
  expect(await who(gate, key)).toMatchObject(caller);

  const file = join(gate.folder, 'var', 'signing.jwk');
  const before = listSigning(await readFile(file, 'utf8'));
  const { after: added } = await changeSigningFile(file, addSigning, Date.now());
  await gate.journalled('config.reloaded', 1);
  expect(await published(gate)).toEqual(listSigning(added).map(({ kid }) => kid));
  expect(await who(gate, key)).toMatchObject(caller);

  const { after: promoted } = await changeSigningFile(file, promoteSigning, Date.now());
  await gate.journalled('config.reloaded', 2);
  expect(await who(gate, key)).toMatchObject(caller);
  expect(await published(gate)).toEqual(expect.arrayContaining(before.map(({ kid }) => kid)));

  const retired = listSigning(promoted).find(({ role, alg }) => role === 'retired' && alg === 'ES256')?.kid ?? '';
  await changeSigningFile(file, (text) => removeSigning(text, retired), Date.now());
  await gate.journalled('config.reloaded', 3);
  expect(await published(gate)).not.toContain(retired);
  expect(await who(gate, key)).toMatchObject(caller);

  // Checkpoints signed before and after the rotation verify with what the file holds now.
  await gate.authority.journal.checkpoint(Date.now());
  const kids = new Set((await gate.authority.journal.checkpoints()).map(({ kid }) => kid));
  for (const kid of kids) expect(await published(gate)).toContain(kid);
});

test('a child names its parents', async () => {
  const { gate } = await open();
  const parent = await gate.mint({ scopes: ['read:up'] });
  const child = await gate.mint({ scopes: ['read:up'], parentId: parent.id });
  expect(await who(gate, child.key)).toMatchObject({ key: child.id, parents: [parent.id], scopes: ['read:up'] });
});

test('nobody else is let in', async () => {
  const { gate, url } = await open();
  const { key } = await gate.mint({ scopes: ['read:up'] });
  for (const headers of [{}, { 'x-keygate-assertion': 'a.b.c' }, { 'x-keygate-assertion': key }]) {
    expect((await post(url, { key, body: toolCall('who_am_i'), headers })).status).toBe(401);
  }
});
