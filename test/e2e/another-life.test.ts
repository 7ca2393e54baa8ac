import { rm } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../../src/adapters/log.ts';
import { mint } from '../../src/authority/mint.ts';
import { startGateway } from '../../src/serve.ts';
import { inSession, stateless } from '../support/eras.ts';
import { prepareFolder, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { beginSession } from '../support/raw-session.ts';
import { rpcId } from '../support/recorded-request.ts';
import { sendJson, startRecordingUpstream } from '../support/recording-upstream.ts';
import { stdioUpstream } from '../support/stdio-upstream.ts';
import { createTaskUpstream } from '../support/task-upstream.ts';

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

it('I9: a task, and a call that needs input, go on in another process', async () => {
  const upstream = await startRecordingUpstream();
  closers.push(() => upstream.close());
  const tools = [{ match: '*', scope: 'read:up', price: '0.01' }];
  const { folder, configFile } = await prepareFolder({ upstreams: { up: upstreamConfig(upstream.url, { tools }) } });
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const log = createLog({ level: 'silent' });
  const start = () => startGateway({ configFile, env: {}, cwd: folder, log, version: 'test' });

  const first = await start();
  const limits = { budgets: [{ amount: '1', per: 'total' }] };
  const { key } = await mint(first.composed.api.authority, { name: 'goes on', scopes: ['read:up'], ...limits }, { via: 'cli' });
  const send = async (url: string, { body, headers }: ReturnType<typeof inSession>) =>
    (await post(`${url}/mcp/up`, { key, body, headers })).json;
  const tasks = createTaskUpstream();
  upstream.script(tasks.respond);
  const { result: created = {} } = await send(first.mcpUrl, inSession('tools/call', { name: 'tool_0', arguments: {}, task: {} }));
  const { taskId } = created.task as { taskId: string };
  upstream.script((request, response) => {
    const result = { resultType: 'input_required', inputRequests: {}, requestState: 'kept' };
    sendJson(response, { jsonrpc: '2.0', id: rpcId(request), result });
  });
  const call = { name: 'tool_0', arguments: { a: 1 } };
  const { result } = await send(first.mcpUrl, stateless('tools/call', call));
  await first.drain();

  const second = await start();
  closers.push(() => second.drain());
  upstream.script(tasks.respond);
  expect((await send(second.mcpUrl, inSession('tasks/get', { taskId }))).result).toMatchObject({ taskId, status: 'working' });
  expect((await send(second.mcpUrl, inSession('tasks/list'))).result?.tasks).toMatchObject([{ taskId }]);
  upstream.script(undefined);
  const retry = stateless('tools/call', { ...call, requestState: result?.requestState, inputResponses: {} });
  expect((await send(second.mcpUrl, retry)).result).toMatchObject({ resultType: 'complete' });
  expect(upstream.requests.at(-1)?.message).toMatchObject({ params: { requestState: 'kept' } });
  expect((await send(second.mcpUrl, retry)).error?.data.reason).toBe('INVALID_MESSAGE');
});

it('I9, the declared exception: a session of a child is unknown to another process, where the client begins anew', async () => {
  const { folder, configFile } = await prepareFolder({ upstreams: { up: stdioUpstream() } });
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const start = () => startGateway({ configFile, env: {}, cwd: folder, log: createLog({ level: 'silent' }), version: 'test' });
  const first = await start();
  const { key } = await mint(first.composed.api.authority, { name: 'goes on', scopes: ['read:up'] }, { via: 'cli' });
  const session = await beginSession(`${first.mcpUrl}/mcp/up`, key);
  await first.drain();

  const second = await start();
  closers.push(() => second.drain());
  const url = `${second.mcpUrl}/mcp/up`;
  const headers = { 'mcp-session-id': session.id, 'mcp-protocol-version': '2025-11-25' };
  const lost = await post(url, { key, headers, body: toolCall('pid') });
  expect([lost.status, lost.json.error?.data['reason']]).toEqual([404, 'SESSION_NOT_FOUND']);
  expect(await (await beginSession(url, key)).call('echo', { a: 1 })).toEqual({ a: 1 });
});
