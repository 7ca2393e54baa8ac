import { rm } from 'node:fs/promises';
import { afterEach, expect, it } from 'vitest';
import { createLog } from '../../src/adapters/log.ts';
import { mint } from '../../src/authority/mint.ts';
import { startGateway } from '../../src/serve.ts';
import { openStream } from '../support/event-text.ts';
import { prepareFolder, upstreamConfig } from '../support/gateway.ts';
import { only } from '../support/misbehaviours.ts';
import { post } from '../support/post.ts';
import { sendJson, startRecordingUpstream } from '../support/recording-upstream.ts';

/**
 * I9: nothing that the next request needs lives only in a process. A process that ended and another that began on the same store and
 * secrets are, to a client, what two replicas are.
 */
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('I9: a session over several upstreams and a merged cursor go on in another process; a stream of HTTP+SSE does not, and says so', async () => {
  const upstreams = [await startRecordingUpstream(), await startRecordingUpstream()];
  for (const upstream of upstreams) {
    closers.push(() => upstream.close());
    upstream.script(
      only('tools/list', (request, response) => {
        const { id, params } = request.message as { id: unknown; params: { cursor?: string } };
        const more = params.cursor === undefined ? { nextCursor: 'second' } : {};
        sendJson(response, { jsonrpc: '2.0', id, result: { tools: [{ name: params.cursor ?? 'first' }], ...more } });
      }),
    );
  }
  const [one, two] = upstreams.map(({ url }) => upstreamConfig(url));
  const { folder, configFile } = await prepareFolder({ upstreams: { one, two } });
  closers.push(() => rm(folder, { recursive: true, force: true }));
  const start = () => startGateway({ configFile, env: {}, cwd: folder, log: createLog({ level: 'silent' }), version: 'test' });

  const first = await start();
  const { key } = await mint(first.composed.api.authority, { name: 'goes on', scopes: ['read:up'] }, { via: 'cli' });
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
  const opened = await post(`${first.mcpUrl}/mcp`, { key, body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } });
  const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-11-25' };
  const list = (cursor?: string) => ({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: cursor === undefined ? {} : { cursor } });
  const page = await post(`${first.mcpUrl}/mcp`, { key, headers, body: list() });
  const stream = await openStream(`${first.mcpUrl}/sse`, { headers: { accept: 'text/event-stream', authorization: `Bearer ${key}` } });
  const [, postPath = ''] = /^data: (.*)$/m.exec(await stream.seen(/messages/)) ?? [];
  await first.drain();
  await stream.ended;

  const second = await start();
  closers.push(() => second.drain());
  const next = await post(`${second.mcpUrl}/mcp`, { key, headers, body: list(String(page.json.result?.nextCursor)) });
  expect(next.json.result).toEqual({ tools: [{ name: 'one__second' }, { name: 'two__second' }] });
  const sessions = (at: number) => new Set(upstreams[at]?.requests.flatMap(({ headers: sent }) => sent['mcp-session-id'] ?? []));
  expect([sessions(0).size, sessions(1).size]).toEqual([1, 1]);
  const lost = await post(`${second.mcpUrl}${postPath}`, { key, body: list() });
  expect(lost).toMatchObject({ status: 404, json: { error: { data: { reason: 'SESSION_NOT_FOUND' } } } });
  expect(lost.json.error?.message).toContain('lives in another replica');
});
