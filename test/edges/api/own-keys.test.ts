import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { enrolled, steppedUp } from './enrolled.ts';
import { type Key, startWorld, type World } from './world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const manager = { agentId: 'devops', orgId: 'acme', scopes: ['read:up', 'manage'] };

describe("an agent's key on the data listener", () => {
  it('sees itself', async () => {
    const { key, id } = await world.key({ budgets: [{ amount: '5.00', per: 'day' }] });
    const { status, json } = await world.askData('GET', '/me', { key });
    expect(status).toBe(200);
    expect(json).toMatchObject({ id, scopes: ['read:up'], accessToken: null, stepUpUntil: null });
    expect(json.limits).toMatchObject([{ unit: 'money', limit: '5', spent: '0', remaining: '5' }]);
  });

  it('gets an access token that speaks for it, and for no more', async () => {
    const { key, id } = await world.key({ scopes: ['read:up', 'manage'] });
    const issued = await world.askData('POST', '/token', { key, body: { ttl: '90s', scopes: ['read:up'] } });
    expect(issued).toMatchObject({ status: 200, json: { tokenType: 'Bearer', scope: 'read:up' } });
    const token: string = issued.json.accessToken;
    expect((await world.askData('GET', '/me', { key: token })).json).toMatchObject({
      id,
      accessToken: { expiresAt: issued.json.expiresAt },
    });
    for (const [path, body] of [
      ['/token', {}],
      [`/keys/${id}/children`, { name: 'narrower wiki reader' }],
      ['/keys/mint', { name: 'another wiki reader' }],
    ] as const) {
      expect((await world.askData('POST', path, { key: token, body })).status, path).toBe(403);
    }
    await world.ask('POST', `/keys/${id}/revoke`);
    expect((await world.askData('GET', '/me', { key: token })).json).toMatchObject({ status: 401, reason: 'TOKEN_REVOKED' });
  });

  it('mints children of its own, narrower, and of no other key', async () => {
    const { key, id } = await world.key({ budgets: [{ amount: '5.00', per: 'day' }] });
    const other = await world.key();
    const child = await world.askData('POST', `/keys/${id}/children`, { key, body: { name: 'narrower wiki reader', ttl: '5m' } });
    expect(child).toMatchObject({ status: 201, json: { parentIds: [id], scopes: ['read:up'] } });
    const wider = await world.askData('POST', `/keys/${id}/children`, { key, body: { name: 'wider wiki reader', scopes: ['manage'] } });
    expect(wider).toMatchObject({ status: 422, json: { problems: [{ path: 'scopes[0]' }] } });
    const foreign = await world.askData('POST', `/keys/${other.id}/children`, { key, body: { name: 'narrower wiki reader' } });
    expect(foreign).toMatchObject({ status: 403, json: { reason: 'INSUFFICIENT_SCOPE' } });
  });

  it('without manage gets INSUFFICIENT_SCOPE, whatever it asks about', async () => {
    const { key, id } = await world.key({ agentId: 'devops' });
    for (const path of ['/keys/mint', `/keys/${id}/rotate`, `/keys/${id}/revoke`, '/keys/zzzzzzzz/revoke']) {
      const told = await world.askData('POST', path, { key, body: {} });
      expect(told, path).toMatchObject({ status: 403, json: { reason: 'INSUFFICIENT_SCOPE', scope: ['manage'] } });
      expect(told.headers['www-authenticate']).toBe('Bearer realm="keygate", error="insufficient_scope", scope="manage"');
    }
  });

  it('with manage needs a fresh second factor, and is told how', async () => {
    const { key, code, id } = await enrolled(world, manager);
    const ask = () => world.askData('POST', `/keys/${id}/rotate`, { key, body: { overlap: '1h' } });
    expect(await ask()).toMatchObject({
      status: 403,
      json: { reason: 'STEP_UP_REQUIRED', how: expect.stringContaining('/api/v1/step-up') },
    });
    expect((await world.askData('POST', '/step-up', { key, body: { code: '12345' } })).json).toMatchObject({
      status: 403,
      reason: 'STEP_UP_REQUIRED',
    });
    expect((await world.askData('POST', '/step-up', { key, body: { code: code() } })).status).toBe(200);
    expect(await ask()).toMatchObject({ status: 200, json: { id, previousUntil: expect.any(String) } });
    expect((await world.gateway.journal('admin.refused')).at(-1)).toMatchObject({ keyId: id, reason: 'STEP_UP_REQUIRED' });
  });

  describe('with manage and a fresh step-up', () => {
    let own: Key;
    beforeAll(async () => {
      own = await steppedUp(world, manager);
    });

    it('mints keys of its own agent, never wider than itself', async () => {
      const same = await world.askData('POST', '/keys/mint', { key: own.key, body: { name: 'second wiki reader', scopes: ['read:up'] } });
      expect(same).toMatchObject({ status: 201, json: { agentId: 'devops', orgId: 'acme', kind: 'agent' } });
      for (const wider of [
        { scopes: ['trade:desk', 'admin'] },
        { agentId: 'other' },
        { orgId: 'globex' },
        { kind: 'operator' },
        { ttl: '364d' },
      ]) {
        const told = await world.askData('POST', '/keys/mint', {
          key: own.key,
          body: { name: 'second wiki reader', scopes: ['read:up'], ...wider },
        });
        expect(told.status, JSON.stringify(wider)).toBe(422);
      }
    });

    it('rotates and revokes keys of its own agent, and no others', async () => {
      const sibling = await world.key({ agentId: 'devops', orgId: 'acme' });
      const strangers = await Promise.all([
        world.key({ agentId: 'other', orgId: 'acme' }),
        world.key({ agentId: 'devops', orgId: 'acme', kind: 'bot', botId: 'ops' }),
      ]);
      expect((await world.askData('POST', `/keys/${sibling.id}/rotate`, { key: own.key })).status).toBe(200);
      expect((await world.askData('POST', `/keys/${sibling.id}/revoke`, { key: own.key })).status).toBe(200);
      for (const { id } of strangers) expect((await world.askData('POST', `/keys/${id}/revoke`, { key: own.key })).status).toBe(403);
      const elsewhere = await world.key({ agentId: 'devops', orgId: 'globex' });
      expect((await world.askData('POST', `/keys/${elsewhere.id}/revoke`, { key: own.key })).status).toBe(404);
      expect((await world.gateway.journal('key.revoked')).at(-1)).toMatchObject({ keyId: sibling.id, via: 'api', byKeyId: own.id });
    });

    it('changes nothing else', async () => {
      for (const [verb, path] of [
        ['PATCH', `/keys/${own.id}`],
        ['DELETE', `/keys/${own.id}`],
        ['GET', '/keys'],
        ['POST', `/keys/${own.id}/reissue`],
        ['POST', `/keys/${own.id}/step-up`],
      ] as const) {
        expect(
          (await world.ask(verb, path, { key: own.key, body: verb === 'GET' || verb === 'DELETE' ? undefined : {} })).json,
          `${verb} ${path}`,
        ).toMatchObject({
          status: 403,
          reason: 'WRONG_KEY_KIND',
        });
      }
    });
  });

  it('verifies keys of its own organisation; a foreign one is as unknown as none', async () => {
    const asking = await world.key({ orgId: 'acme' });
    const own = await world.key({ orgId: 'acme' });
    const foreign = await world.key({ orgId: 'globex' });
    const verify = async (body: object) => (await world.askData('POST', '/keys/verify', { key: asking.key, body })).json;
    expect(await verify({ key: own.key, scope: 'read:up', upstream: 'up', tool: 'get_page' })).toMatchObject({
      valid: true,
      reason: null,
      keyId: own.id,
    });
    expect(await verify({ key: own.key, scope: 'trade:up' })).toMatchObject({
      valid: false,
      reason: 'INSUFFICIENT_SCOPE',
      needed: ['trade:up'],
    });
    expect(await verify({ key: foreign.key })).toEqual({ valid: false, reason: 'TOKEN_INVALID' });
    expect(await verify({ key: 'kg_live_nonsense' })).toEqual({ valid: false, reason: 'TOKEN_INVALID' });
  });

  it('operators administer on the admin listener only', async () => {
    expect((await world.askData('POST', '/keys/mint', { body: { name: 'nightly wiki reader' } })).json).toMatchObject({
      status: 403,
      reason: 'WRONG_KEY_KIND',
    });
    expect((await world.askData('GET', '/me')).status).toBe(200);
  });
});

it('operators need a second factor where the configuration says so', async () => {
  const strict = await startWorld({ stepUp: { operators: true } });
  try {
    const operator = await enrolledByCommand(strict);
    const mint = () => strict.ask('POST', '/keys/mint', { key: operator.key, body: { name: 'nightly wiki reader', scopes: ['read:up'] } });
    expect((await mint()).json).toMatchObject({ status: 403, reason: 'STEP_UP_REQUIRED' });
    expect((await strict.ask('GET', '/keys', { key: operator.key })).status).toBe(200);
    expect((await strict.ask('POST', '/step-up', { key: operator.key, body: { code: operator.code() } })).status).toBe(200);
    expect((await mint()).status).toBe(201);
  } finally {
    await strict.close();
  }
});

/** The first factor of all is enrolled at the command line: over the API it would take one already. */
async function enrolledByCommand({ gateway, operator }: World): Promise<Key & { code: () => string }> {
  const { generateSync } = await import('otplib');
  const { secret } = await gateway.gateway.composed.stepUp.enrol(operator.id, { via: 'cli' });
  return { ...operator, code: () => generateSync({ secret }) };
}
