import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis, until } from '../support/redis-server.ts';
import { startReplicas } from '../support/replicas.ts';

it('a configuration that comes while Redis is away takes effect by itself once Redis is back', async () => {
  const redis = await startRedis({ appendonly: 'always' });
  const upstream = await startRecordingUpstream({ sessions: false });
  const replicas = await startReplicas({ store: redis.url, upstreamUrl: upstream.url, price: '0.001', count: 1 });
  onTestFinished(async () => {
    await replicas.remove();
    await upstream.close();
    await redis.stop();
  });
  const { key } = await replicas.mint({});
  const [replica] = replicas.all;
  if (!replica) return expect.unreachable();
  const statusAt = async (name: string) => (await post(`${replica.mcpUrl}/mcp/${name}`, { key, body: toolCall('tool_1') })).status;
  expect(await statusAt('another')).toBe(404);

  await redis.kill();
  const file = join(replicas.folder, 'keygate.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as { upstreams: Record<string, unknown> };
  config.upstreams.another = config.upstreams.up;
  await writeFile(file, JSON.stringify(config));
  await replica.printed(/the last good one stays in force/);

  await redis.restart();
  await until(async () => (await statusAt('another')) === 200, 'the new upstream serves');
});
