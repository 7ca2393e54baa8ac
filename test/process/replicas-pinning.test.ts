import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type ChangingUpstream, startChangingUpstream } from '../support/changing-upstream.ts';
import { post } from '../support/post.ts';
import { startRedis } from '../support/redis-server.ts';
import { type MintedKey, type Replicas, startReplicas } from '../support/replicas.ts';

/** docs/pinning.md: what one replica saw, or an operator decided, holds on every replica by then; and what a busy machine adds. */
const spreadMsMax = 2_000 + 1_000;
const pay = { name: 'pay', inputSchema: { type: 'object' } };
const reshaped = { name: 'pay', inputSchema: { type: 'object', required: ['iban'] } };

const closers: (() => Promise<void>)[] = [];
let upstream: ChangingUpstream;
let replicas: Replicas;
let key: MintedKey;
beforeAll(async () => {
  const redis = await startRedis();
  closers.push(() => redis.stop());
  upstream = await startChangingUpstream([pay], { sessions: false });
  closers.push(() => upstream.close());
  const up = { url: upstream.url, environment: 'live', tools: [{ match: '*', scope: 'read:up' }] };
  replicas = await startReplicas({ store: redis.url, upstreamUrl: upstream.url, price: '0', count: 2, config: { upstreams: { up } } });
  closers.push(() => replicas.remove());
  key = await replicas.mint({});
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

async function listed(at: number): Promise<string[]> {
  const { json } = await post(`${replicas.all[at]?.mcpUrl}/mcp/up`, {
    key: key.key,
    body: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
  });
  const { tools = [] } = json.result ?? {};
  return (tools as { name: string }[]).map(({ name }) => name);
}

const call = async (at: number): Promise<string> => (await replicas.all[at]?.call(key.key, 'pay'))?.result ?? 'no replica';

/** Resolves to how long it took until every replica said so. */
async function everywhere(result: string): Promise<number> {
  const began = performance.now();
  await vi.waitFor(async () => expect(await Promise.all([call(0), call(1)])).toEqual([result, result]), { timeout: 10_000, interval: 20 });
  return performance.now() - began;
}

it('what one replica saw change is refused by the other within the bound, written once; an approval at one spreads as fast', async () => {
  expect(await Promise.all([listed(0), listed(1)])).toEqual([['pay'], ['pay']]);
  expect(await everywhere('passed')).toBeLessThan(spreadMsMax);

  upstream.list([reshaped]);
  expect(await listed(0)).toEqual([]);
  expect(await call(0)).toBe('TOOL_NOT_ALLOWED');
  const refused = await everywhere('TOOL_NOT_ALLOWED');
  expect(refused).toBeLessThan(spreadMsMax);

  const { definition } = await replicas.done({ verb: 'GET', path: '/tools/up/pay' }, 1);
  await replicas.done({ verb: 'POST', path: '/tools/up/pay/approve', body: { definition } }, 1);
  expect(await call(1)).toBe('passed');
  const approved = await everywhere('passed');
  expect(approved).toBeLessThan(spreadMsMax);
  console.log(`pinning: the other replica refused after ${refused.toFixed(0)} ms, and passed ${approved.toFixed(0)} ms after the approval`);

  upstream.list([pay]);
  expect(await Promise.all([listed(0), listed(1), listed(0), listed(1)])).toEqual([[], [], [], []]);
  expect(await everywhere('TOOL_NOT_ALLOWED')).toBeLessThan(spreadMsMax);

  const approving = await replicas.cli('tools', 'approve', '--upstream', 'up', '--all', '--json');
  expect(approving.code).toBe(0);
  expect(await everywhere('passed')).toBeLessThan(spreadMsMax);
  const kinds = async () => (await replicas.journal()).map(({ kind }) => kind).filter((kind) => kind.startsWith('tool.'));
  expect(await kinds()).toEqual(['tool.pinned', 'tool.quarantined', 'tool.approved', 'tool.quarantined', 'tool.approved']);
});
