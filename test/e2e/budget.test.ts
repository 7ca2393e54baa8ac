import { afterEach, expect, it } from 'vitest';
import { startTestGateway, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('64 parallel calls against a budget for 20: exactly 20 reach the upstream, and the journal says so', async () => {
  const upstream = await startRecordingUpstream({ delayMs: 20, sessions: false });
  closers.push(() => upstream.close());
  const gate = await startTestGateway({ upstreams: { up: upstreamConfig(upstream.url) } });
  closers.push(() => gate.close());
  const { key, id } = await gate.mint({ scopes: ['read:up'], budgets: [{ amount: '0.20', per: 'hour' }] });

  const answers = await Promise.all(
    Array.from({ length: 64 }, (_, at) => post(`${gate.url}/mcp/up`, { key, body: toolCall('echo', { at }, at) })),
  );

  const passed = answers.filter(({ json }) => json.result);
  const refused = answers.filter(({ json }) => json.error);
  expect(passed.length).toBe(20);
  expect(refused.length).toBe(44);
  expect(upstream.calls('tools/call').length).toBe(20);
  for (const [at, { json }] of answers.entries()) expect(json.id).toBe(at);
  for (const { status, json } of refused) {
    expect(status).toBe(200);
    expect(json.error?.code).toBe(-31402);
    expect(json.error?.data).toMatchObject({ reason: 'BUDGET_EXHAUSTED', limit: '0.2' });
    expect(Date.parse(String(json.error?.data['resetAt']))).toBeGreaterThan(Date.now());
  }
  await gate.journalled('call.outcome', 20);
  expect((await gate.journal('call.intent')).length).toBe(20);
  expect((await gate.journal('call.outcome')).length).toBe(20);
  expect((await gate.journal('call.refused')).length).toBe(44);
  const record = await gate.authority.keyring.get(id);
  if (!record) throw new Error('the key is gone');
  const [line] = await gate.authority.ledger.usage({ key: record, ancestors: [], now: Date.now() });
  expect(line).toMatchObject({ unit: 'micros', spent: 200_000, held: 0, limit: 200_000 });
});
