import { expect, it, onTestFinished } from 'vitest';
import { post } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis } from '../support/redis-server.ts';
import { startReplicas } from '../support/replicas.ts';

const bodies = [
  { jsonrpc: '2.0', method: 'notifications/initialized' },
  { jsonrpc: '2.0', id: 7, method: 'ping' },
];

/** They take no reservation, so no admit would notice that the store is gone. */
it.each([
  ['gone', 'kill'],
  ['standing still', 'pause'],
] as const)('with Redis %s no notification and no ping reaches the upstream (I1)', async (_how, act) => {
  const redis = await startRedis({ appendonly: 'always' });
  const upstream = await startRecordingUpstream({ sessions: false });
  const replicas = await startReplicas({ store: redis.url, upstreamUrl: upstream.url, price: '0.001', count: 1 });
  onTestFinished(async () => {
    if (act === 'pause') redis.resume();
    await replicas.remove();
    await upstream.close();
    await redis.stop();
  });
  const key = await replicas.mint({});
  const [replica] = replicas.all;
  if (!replica) return expect.unreachable();
  await replica.call(key.key, 'tool_1');
  await redis[act]();
  const before = upstream.requests.length;
  const answers = await Promise.all(bodies.map((body) => post(`${replica.mcpUrl}/mcp/up`, { key: key.key, body })));
  expect(answers.map(({ status }) => status)).toEqual([503, 503]);
  expect(upstream.requests.length).toBe(before);
});
