import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Key, startWorld, type World } from './world.ts';

let world: World;
let confined: Key;
let own: Key;
let foreign: Key;

beforeAll(async () => {
  world = await startWorld();
  confined = await world.key({ kind: 'operator', scopes: ['manage'], orgId: 'acme' });
  own = await world.key({ orgId: 'acme', agentId: 'devops' });
  foreign = await world.key({ orgId: 'globex', agentId: 'devops' });
});
afterAll(() => world.close());

const ask = (verb: string, path: string, body?: object) =>
  world.ask(verb, path, { key: confined.key, ...(body === undefined ? {} : { body }) });

describe('an operator confined to an organisation', () => {
  it.each([
    ['GET', '', undefined],
    ['PATCH', '', { purpose: 'anything' }],
    ['DELETE', '', undefined],
    ['POST', '/rotate', {}],
    ['POST', '/revoke', {}],
    ['POST', '/reissue', {}],
    ['POST', '/children', { name: 'narrower wiki reader' }],
    ['POST', '/step-up', {}],
  ])('finds no key of another: %s /keys/{id}%s', async (verb, act, body) => {
    const before = await world.gateway.authority.keyring.get(foreign.id);
    expect((await ask(verb, `/keys/${foreign.id}${act}`, body)).status).toBe(404);
    expect(await world.gateway.authority.keyring.get(foreign.id)).toEqual(before);
  });

  it('lists its own keys alone', async () => {
    const { json } = await ask('GET', '/keys');
    expect(json.data.map(({ orgId }) => orgId)).toEqual(['acme', 'acme']);
    expect((await ask('GET', '/keys?orgId=globex')).json).toEqual({ data: [], nextCursor: null });
    expect((await ask('GET', '/usage')).json.data).toHaveLength(2);
    expect((await ask('GET', `/usage?keyId=${foreign.id}`)).status).toBe(404);
  });

  it('mints for its own organisation alone', async () => {
    expect((await ask('POST', '/keys/mint', { name: 'second wiki reader' })).json).toMatchObject({ orgId: 'acme' });
    expect((await ask('POST', '/keys/mint', { name: 'second wiki reader', orgId: 'globex' })).json).toMatchObject({
      status: 422,
      problems: [{ path: 'orgId' }],
    });
    expect((await ask('POST', '/keys/mint', { name: 'second wiki reader', parentId: foreign.id })).status).toBe(422);
  });

  it('revokes in bulk within it', async () => {
    const target = await world.key({ orgId: 'acme', agentId: 'shared' });
    const spared = await world.key({ orgId: 'globex', agentId: 'shared' });
    expect((await ask('POST', '/keys/revoke', { agentId: 'shared' })).json).toMatchObject({ revoked: [target.id] });
    expect((await world.gateway.authority.keyring.get(spared.id))?.revokedAt).toBeUndefined();
  });

  it('explains and reads the journal within it', async () => {
    expect((await ask('POST', '/explain', { keyId: foreign.id, upstream: 'up', tool: 'get_page' })).status).toBe(404);
    const unknown = await ask('POST', '/explain', { key: foreign.key, upstream: 'up', tool: 'get_page' });
    expect(unknown.json).toMatchObject({ decision: 'refused', reason: 'TOKEN_INVALID' });
    expect(unknown.text).not.toContain(foreign.id);
    expect((await ask('POST', '/explain', { keyId: own.id, upstream: 'up', tool: 'get_page' })).json).toMatchObject({
      decision: 'allowed',
    });
    const { data } = (await ask('GET', '/journal?limit=500')).json;
    expect(data.length).toBeGreaterThan(0);
    expect([...new Set(data.map(({ org }) => org))]).toEqual(['acme']);
    expect((await ask('GET', '/journal?org=globex')).json).toEqual({ data: [], nextCursor: null });
  });

  it('has no say in what belongs to no organisation', async () => {
    await world.ask('POST', '/accounts', { body: { id: 'shared-account' } });
    for (const [verb, path, body] of [
      ['POST', '/accounts', { id: 'own-account' }],
      ['GET', '/accounts/shared-account', undefined],
      ['POST', '/accounts/shared-account/credit', { amount: '1', reference: 'x' }],
      ['POST', '/accounts/shared-account/adjust', { amount: '1', reference: 'x', reason: 'why not' }],
      ['PATCH', '/accounts/shared-account', { budgets: [] }],
      ['GET', '/journal/verify', undefined],
    ] as const) {
      expect((await ask(verb, path, body)).status, path).toBe(403);
    }
    expect((await world.ask('GET', '/accounts/shared-account')).json.balance).toBe('0');
  });
});

describe('an operator with read alone', () => {
  it('reads and changes nothing', async () => {
    const { key } = await world.key({ kind: 'operator', scopes: ['read'] });
    expect((await world.ask('GET', '/keys', { key })).status).toBe(200);
    expect((await world.ask('POST', '/keys/mint', { key, body: { name: 'nightly wiki reader' } })).json).toMatchObject({
      status: 403,
      reason: 'INSUFFICIENT_SCOPE',
      scope: ['manage'],
    });
  });
});
