import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { upstreamConfig } from '../../support/gateway.ts';
import { steppedUp } from './enrolled.ts';
import { type Key, startWorld, type World } from './world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const manager = { agentId: 'devops', orgId: 'acme', scopes: ['read:up', 'manage'] };
const stored = (id: string) => world.gateway.authority.keyring.get(id);

describe("an agent's key with manage and a fresh step-up", () => {
  it('revokes nothing in bulk, on whichever listener it asks', async () => {
    const own = await steppedUp(world, manager);
    const unconfined = await steppedUp(world, { agentId: 'drifter', scopes: ['manage'] });
    const victim = await world.key({ orgId: 'acme', agentId: 'payments' });
    for (const { key } of [own, unconfined]) {
      const told = await world.ask('POST', '/keys/revoke', { key, body: { agentId: 'payments' } });
      expect(told).toMatchObject({ status: 403, json: { reason: 'WRONG_KEY_KIND' } });
    }
    expect((await stored(victim.id))?.revokedAt).toBeUndefined();
  });

  it('gets the secret of no key of its agent that is wider than itself', async () => {
    const own = await steppedUp(world, manager);
    const wider = await world.key({ agentId: 'devops', orgId: 'acme', scopes: ['admin:up'] });
    const told = await world.askData('POST', `/keys/${wider.id}/rotate`, { key: own.key });
    expect(told).toMatchObject({ status: 403, json: { reason: 'INSUFFICIENT_SCOPE' } });
    expect((await stored(wider.id))?.revision).toBe(1);
  });

  it('with limits of its own gets the secret of no key beside it, and still of its own and its children', async () => {
    const own = await steppedUp(world, { ...manager, budgets: [{ amount: '1.00', per: 'day' }] });
    const beside = await world.key({ agentId: 'devops', orgId: 'acme' });
    expect((await world.askData('POST', `/keys/${beside.id}/rotate`, { key: own.key })).status).toBe(403);
    const child = await world.key({ parentId: own.id, scopes: ['read:up'] });
    expect((await world.askData('POST', `/keys/${child.id}/rotate`, { key: own.key })).status).toBe(200);
    expect((await world.askData('POST', `/keys/${own.id}/rotate`, { key: own.key })).status).toBe(200);
  });

  it('with a rate mints only children, which share it', async () => {
    const own = await steppedUp(world, { ...manager, rate: { calls: 50, perSeconds: 60 } });
    const body = { name: 'second wiki reader', scopes: ['read:up'] };
    expect(await world.askData('POST', '/keys/mint', { key: own.key, body })).toMatchObject({
      status: 422,
      json: { problems: [{ path: 'parentId' }] },
    });
  });
});

describe("a parent that is not the asking key's own", () => {
  it('is told apart from none by nothing', async () => {
    const own = await steppedUp(world, { agentId: 'drifter', scopes: ['read:up', 'manage'] });
    const foreign = await world.key({ orgId: 'globex', agentId: 'payroll', upstreams: ['up'], tools: ['pay'] });
    const ask = async (parentId: string) => {
      const body = { name: 'second wiki reader', scopes: ['write:up'], kind: 'agent', agentId: 'drifter', tools: [], parentId };
      return (await world.askData('POST', '/keys/mint', { key: own.key, body })).json.problems;
    };
    const told = await ask(foreign.id);
    expect(told).toHaveLength(1);
    expect(told).toEqual(await ask('zzzzzzzz'));
    expect(told).toEqual(await ask('x'.repeat(5_000)));
  });
});

describe('a key that is bound to no agent', () => {
  it('cannot bind a child to one, by member or by selector; an operator can', async () => {
    const own = await world.key({ scopes: ['read:up'] });
    for (const named of [{ agentId: 'devops' }, { scopes: ['read:up', 'agent:devops'] }]) {
      const body = { name: 'another wiki reader', ...named };
      const told = await world.askData('POST', `/keys/${own.id}/children`, { key: own.key, body });
      expect(told).toMatchObject({ status: 422, json: { problems: [{ path: 'agentId' }] } });
    }
    const body = { name: 'another wiki reader', agentId: 'devops' };
    expect((await world.ask('POST', `/keys/${own.id}/children`, { body })).status).toBe(201);
  });
});

describe('selectors among scopes', () => {
  it.each([['org:globex'], ['agent:payments']])('%s cannot be patched onto a key of another', async (selector) => {
    const { id } = await world.key({ orgId: 'acme', agentId: 'devops' });
    for (const body of [{ scopes: ['read:up', selector] }, { permissions: { [selector.split(':')[0] ?? '']: [selector.split(':')[1]] } }]) {
      const told = await world.ask('PATCH', `/keys/${id}`, { body });
      expect(told.status, JSON.stringify(body)).toBe(422);
    }
    expect((await world.ask('POST', `/keys/${id}/reissue`, { body: { scopes: [selector] } })).status).toBe(422);
  });

  it.each([['org:globex'], ['agent:payments']])('%s gets into no access token of a key of another', async (selector) => {
    const { key } = await world.key({ orgId: 'acme', agentId: 'devops' });
    expect((await world.askData('POST', '/token', { key, body: { scopes: ['read:up', selector] } })).status).toBe(422);
  });
});

describe('reissuing one key twice at once', () => {
  it('leaves one key alive', async () => {
    const { id } = await world.key({ budgets: [{ amount: '5.00', per: 'total' }] });
    const reason = 'x'.repeat(200);
    const both = await Promise.all([0, 1].map(() => world.ask('POST', `/keys/${id}/reissue`, { body: { ttl: '1h', reason } })));
    expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);
    const made = (await world.gateway.journal('key.minted')).filter(({ keyId }) => keyId !== id);
    const won = both.find(({ status }) => status === 201)?.json.id ?? '';
    expect((await stored(won))?.revokedAt).toBeUndefined();
    const lost = made.at(-1)?.keyId === won ? made.at(-2)?.keyId : made.at(-1)?.keyId;
    expect((await stored(String(lost)))?.revokedAt).toBeDefined();
  });
});

describe('a condition about the key', () => {
  it('is not escaped by minting a child of another name or agent', async () => {
    const tools = [{ match: '*', scope: 'read:up', when: 'key.agent == "devops" && key.name != "intern"' }];
    const strict = await startWorld({ upstreams: { up: upstreamConfig('http://127.0.0.1:9/mcp', { tools }) } });
    const decide = async (keyId: string) =>
      (await strict.ask('POST', '/explain', { body: { keyId, upstream: 'up', tool: 'pay' } })).json as {
        decision?: string;
        reason?: string;
      };
    try {
      const unbound = await strict.key({ orgId: 'acme' });
      const intern = await strict.key({ agentId: 'devops', name: 'intern' });
      const trusted = await strict.key({ agentId: 'devops', name: 'nightly payer' });
      const childOf = async (parent: Key) => {
        const body = { name: 'nightly payer', agentId: 'devops' };
        return (await strict.ask('POST', `/keys/${parent.id}/children`, { body })).json.id;
      };
      for (const parent of [unbound, intern]) {
        expect(await decide(parent.id)).toMatchObject({ decision: 'refused', reason: 'POLICY_DENIED' });
        expect(await decide(await childOf(parent))).toMatchObject({ decision: 'refused', reason: 'POLICY_DENIED' });
      }
      expect(await decide(await childOf(trusted))).toMatchObject({ decision: 'allowed' });
    } finally {
      await strict.close();
    }
  });
});

describe('where operators need a second factor', () => {
  it('a key cannot be revoked by reporting its id without one', async () => {
    const strict = await startWorld({ stepUp: { operators: true } });
    try {
      const { id } = await strict.key();
      expect(await strict.ask('POST', '/leaks', { body: { id } })).toMatchObject({ status: 403, json: { reason: 'STEP_UP_REQUIRED' } });
      expect((await strict.gateway.authority.keyring.get(id))?.revokedAt).toBeUndefined();
    } finally {
      await strict.close();
    }
  });
});
