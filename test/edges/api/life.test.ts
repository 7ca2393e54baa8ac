import { afterAll, beforeAll, expect, it } from 'vitest';
import { upstreamConfig } from '../../support/gateway.ts';
import { post, toolCall } from '../../support/post.ts';
import { startRecordingUpstream } from '../../support/recording-upstream.ts';
import { startWorld, type World } from './world.ts';

let world: World;
let upstream: Awaited<ReturnType<typeof startRecordingUpstream>>;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  world = await startWorld({ upstreams: { up: upstreamConfig(upstream.url) } });
});
afterAll(async () => {
  await world.close();
  await upstream.close();
});

const call = async (key: string) => {
  const { status, json } = await post(`${world.gateway.url}/mcp/up`, { key, body: toolCall('get_page', { title: 'Home' }) });
  return { status, reason: json.error?.data.reason };
};
const last = async (kind: string) => (await world.gateway.journal(kind)).at(-1);

it('a whole life of one key, each step answered and on record', async () => {
  const by = { via: 'api', byKeyId: world.operator.id };
  const minted = await world.ask('POST', '/keys/mint', {
    body: { orgId: 'acme', name: 'nightly wiki reader', scopes: ['read:up'], expires_days: 30, budgets: [{ amount: '5.00', per: 'day' }] },
  });
  expect(minted.status).toBe(201);
  const { id, key } = minted.json as { id: string; key: string };
  expect(await last('key.minted')).toMatchObject({ keyId: id, org: 'acme', ...by });
  expect((await call(key)).status).toBe(200);
  expect((await world.ask('GET', `/usage?keyId=${id}`)).json.data[0]?.limits[0]).toMatchObject({ limit: '5' });

  const changed = await world.ask('PATCH', `/keys/${id}`, { body: { scopes: ['read:other'] } });
  expect(changed.json).toMatchObject({ scopes: ['read:other'], revision: 2 });
  expect(await last('key.changed')).toMatchObject({ keyId: id, ...by });
  expect(await call(key)).toMatchObject({ status: 403, reason: 'INSUFFICIENT_SCOPE' });
  await world.ask('PATCH', `/keys/${id}`, { body: { scopes: ['read:up'] } });

  const rotated = await world.ask('POST', `/keys/${id}/rotate`, { body: { overlap: '15m' } });
  expect(rotated.json).toMatchObject({ id, previousUntil: expect.any(String) });
  expect(await last('key.rotated')).toMatchObject({ keyId: id, ...by });
  const second: string = rotated.json.key;
  expect((await call(key)).status).toBe(200);
  expect((await call(second)).status).toBe(200);

  const child = await world.askData('POST', `/keys/${id}/children`, { key: second, body: { name: 'narrower wiki reader', ttl: '5m' } });
  expect(child.json).toMatchObject({ parentIds: [id] });
  expect((await call(child.json.key)).status).toBe(200);

  const reissued = await world.ask('POST', `/keys/${id}/reissue`, { body: { ttl: '1h' } });
  expect(reissued).toMatchObject({ status: 201, json: { scopes: ['read:up'], replaced: id } });
  for (const dead of [key, second, child.json.key]) expect(await call(dead)).toEqual({ status: 401, reason: 'TOKEN_REVOKED' });
  const next: { id: string; key: string } = reissued.json;
  expect((await call(next.key)).status).toBe(200);

  const revoked = await world.ask('POST', `/keys/${next.id}/revoke`, { body: { reason: 'no longer needed' } });
  expect(revoked.json).toMatchObject({
    status: 'revoked',
    acknowledged: 1,
    pending: 0,
    pendingReplicas: [],
    elapsedMs: expect.any(Number),
  });
  expect(await last('key.revoked')).toMatchObject({ keyId: next.id, reason: 'no longer needed', ...by });
  expect(await call(next.key)).toEqual({ status: 401, reason: 'TOKEN_REVOKED' });

  expect((await world.ask('DELETE', `/keys/${next.id}`)).json).toMatchObject({ id: next.id, deleted: true });
  expect(await last('key.deleted')).toMatchObject({ keyId: next.id, ...by });
  expect(await call(next.key)).toEqual({ status: 401, reason: 'TOKEN_INVALID' });
  expect((await world.ask('GET', `/keys/${next.id}`)).status).toBe(404);
  expect((await world.ask('GET', '/journal/verify')).json.ok).toBe(true);

  for (const secret of [key, second, child.json.key, next.key]) {
    expect(JSON.stringify(await world.gateway.journal())).not.toContain(secret);
    expect(world.gateway.logged()).not.toContain(secret);
  }
});

it('a leaked key dies when it is reported, and the answer says nothing of it', async () => {
  const { key, id } = await world.key();
  const told = await world.ask('POST', '/leaks', { body: { key } });
  const unknown = await world.ask('POST', '/leaks', { body: { key: `${key.slice(0, -1)}x` } });
  expect(told.json).toEqual({ received: true });
  expect(unknown.json).toEqual(told.json);
  expect(await call(key)).toEqual({ status: 401, reason: 'TOKEN_REVOKED' });
  expect(await last('key.leaked')).toMatchObject({ keyId: id });
});

it('GET /upstreams tells what each tool needs, and nothing secret', async () => {
  const { text, json } = await world.ask('GET', '/upstreams');
  expect(json.data[0]).toMatchObject({
    name: 'up',
    environment: 'live',
    path: '/mcp/up',
    rules: [{ id: 'up.tools[0]', subject: 'tools', match: ['*'], scopes: ['read:up'], price: '0.01', stepUp: false }, {}, {}],
  });
  expect(text).not.toContain('upstream-secret');
});
