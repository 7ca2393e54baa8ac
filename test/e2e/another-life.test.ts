import { rm } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../../src/adapters/log.ts';
import { mint } from '../../src/authority/mint.ts';
import { startGateway } from '../../src/serve.ts';
import { prepareFolder, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';

/**
 * I9: nothing that the next request needs lives only in a process. A process that ended and another that began on the same store and
 * secrets are, to a client, what two replicas are.
 */
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('I9: a session, a budget and a one-time answer go on in another process', async () => {
  const upstream = await startRecordingUpstream({ sessions: true });
  closers.push(() => upstream.close());
  const { folder, configFile } = await prepareFolder({ upstreams: { up: upstreamConfig(upstream.url) } });
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const log = createLog({ level: 'silent' });
  const start = () => startGateway({ configFile, env: {}, cwd: folder, log, version: 'test' });

  const first = await start();
  const request = { name: 'goes on', scopes: ['read:up'], budgets: [{ amount: '0.02', per: 'total' }] };
  const { key } = await mint(first.composed.api.authority, request, { via: 'cli' });
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  const opened = await post(`${first.mcpUrl}/mcp/up`, { key, body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } });
  const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-11-25' };
  // The server asks something in the stream of a call; the client will answer to the next process.
  upstream.script((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: {"jsonrpc":"2.0","id":7,"method":"roots/list"}\n\n');
    response.end('data: {"jsonrpc":"2.0","id":1,"result":{"content":[]}}\n\n');
  });
  const called = await post(`${first.mcpUrl}/mcp/up`, { key, headers, body: toolCall('tool_0') });
  upstream.script(undefined);
  const sealed = /"id":"([A-Za-z0-9_-]{40,})"/.exec(called.text)?.[1];
  expect(sealed).toBeDefined();
  await first.drain();

  const second = await start();
  closers.push(() => second.drain());
  const url = `${second.mcpUrl}/mcp/up`;
  const answer = { jsonrpc: '2.0', id: sealed, result: { roots: [] } };
  upstream.script((_request, response) => void response.writeHead(202).end());
  expect((await post(url, { key, headers, body: answer })).status).toBe(202);
  expect(upstream.requests.at(-1)?.message).toMatchObject({ id: 7, result: { roots: [] } });
  // Its use is in the store, not in the process.
  expect((await post(url, { key, headers, body: answer })).status).toBe(400);
  upstream.script(undefined);

  const session = upstream.requests.at(-1)?.headers['mcp-session-id'];
  expect((await post(url, { key, headers, body: toolCall('tool_0') })).json.result).toBeDefined();
  expect(upstream.requests.at(-1)?.headers['mcp-session-id']).toBe(session);
  const over = await post(url, { key, headers, body: toolCall('tool_0') });
  expect(over.json.error?.data).toMatchObject({ reason: 'BUDGET_EXHAUSTED', spent: '0.02' });
});
