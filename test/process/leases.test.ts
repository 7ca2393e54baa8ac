import { afterEach, expect, it } from 'vitest';
import { formatMicros } from '../../src/domain/money.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis } from '../support/redis-server.ts';
import { startReplicas } from '../support/replicas.ts';

const priceMicros = 7_003;
const affordable = 160;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('two gateways with leases never pass a budget, and give back what they have not used when they stop (I2, I8)', async () => {
  const redis = await startRedis();
  closers.push(() => redis.stop());
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const price = formatMicros(priceMicros);
  // Longer than the test takes: what comes back comes back because the gateways stop.
  const tools = [{ match: '*', scope: 'read:up', price, lease: { calls: 20, ms: 60_000 } }];
  const upstreams = { up: { url: upstream.url, environment: 'live', tools } };
  const replicas = await startReplicas({ store: redis.url, upstreamUrl: upstream.url, price, count: 2, config: { upstreams } });
  closers.push(() => replicas.remove());
  const minted = (calls: number) => replicas.mint({ budgets: [{ amount: formatMicros(calls * priceMicros), per: 'total' }] });
  const [scarce, ample] = [await minted(affordable), await minted(1e6)];

  const callers = [scarce, ample].flatMap(({ key }) =>
    replicas.all.flatMap((replica) =>
      Array.from({ length: 4 }, async () => {
        let passed = 0;
        for (let nth = 0; nth < 30; nth += 1) {
          const { result } = await replica.call(key, 'read');
          if (result === 'passed') passed += 1;
          else expect([result, key]).toEqual(['BUDGET_EXHAUSTED', scarce.key]);
        }
        return passed;
      }),
    ),
  );
  const passed = (await Promise.all(callers)).reduce((sum, each) => sum + each, 0);
  expect((await redis.cli('KEYS', 'kg:*}:lease:*')).split('\n').length).toBeGreaterThan(10);
  expect(await redis.cli('KEYS', 'kg:*}:leases')).not.toBe('');
  for (const replica of replicas.all) replica.kill('SIGTERM');
  for (const { exited } of replicas.all) expect((await exited).code).toBe(0);
  expect(await redis.cli('KEYS', 'kg:*}:leases')).toBe('');

  const records = await replicas.journal();
  const intents = records.filter(({ kind }) => kind === 'call.intent');
  expect(intents).toHaveLength(passed);
  expect(records.filter(({ kind, charged }) => kind === 'call.outcome' && charged === price)).toHaveLength(passed);
  for (const { id } of [scarce, ample]) {
    const calls = intents.filter(({ keyId }) => keyId === id).length;
    const { stdout } = await replicas.cli('usage', id, '--json');
    expect(JSON.stringify(JSON.parse(stdout))).toContain(`"spent":"${formatMicros(calls * priceMicros)}","held":"0"`);
    if (id === scarce.id) expect(calls).toBeLessThanOrEqual(affordable);
    else expect(calls).toBe(240);
  }
}, 60_000);
