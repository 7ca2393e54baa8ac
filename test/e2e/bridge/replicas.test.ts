import { afterEach, expect, it } from 'vitest';
import { post, toolCall } from '../../support/post.ts';
import { startRedis } from '../../support/redis-server.ts';
import { startReplicas } from '../../support/replicas.ts';
import { startStatelessServer } from '../../support/stateless-server.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('I9: a session that was made up by one replica goes on at another, and nowhere else', async () => {
  const redis = await startRedis();
  closers.push(() => redis.stop());
  const server = await startStatelessServer();
  closers.push(() => server.close());
  const replicas = await startReplicas({ store: redis.url, upstreamUrl: server.url, price: '0.01', count: 2 });
  closers.push(() => replicas.remove());
  const { key } = await replicas.mint({ budgets: [{ amount: '0.02', per: 'total' }] });
  const other = await replicas.mint({});
  const [first = '', second = ''] = replicas.all.map(({ mcpUrl }) => `${mcpUrl}/mcp/up`);

  const params = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'wanderer', version: '2' } };
  const opened = await post(first, { key, body: { jsonrpc: '2.0', id: 0, method: 'initialize', params } });
  expect(opened.json.result).toMatchObject({ protocolVersion: '2025-06-18', serverInfo: { name: 'stateless-only' } });
  const headers = { 'mcp-session-id': opened.headers.get('mcp-session-id') ?? '', 'mcp-protocol-version': '2025-06-18' };

  // The second replica has never heard of the upstream, the client or the session.
  const called = await post(second, { key, headers, body: toolCall('who') });
  expect(called.text).toContain('resultType');
  expect(server.requests.at(-1)?.body).toContain('"io.modelcontextprotocol/clientInfo":{"name":"wanderer","version":"2"}');
  expect((await post(first, { key, headers, body: toolCall('who') })).json.result).toBeDefined();
  expect((await post(second, { key, headers, body: toolCall('who') })).json.error?.data.reason).toBe('BUDGET_EXHAUSTED');
  expect((await post(second, { key: other.key, headers, body: toolCall('who') })).status).toBe(404);
});
