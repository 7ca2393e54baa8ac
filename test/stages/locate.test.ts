import { describe, expect, it } from 'vitest';
import { Denial } from '../../src/domain/denial.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import type { Endpoint, Upstream } from '../../src/domain/policy.ts';
import { locate } from '../../src/stages/locate.ts';
import type { Authenticated } from '../../src/stages/reached.ts';

const endpoints = new Map<string, Endpoint>([
  ['wiki', { kind: 'upstream', upstream: 'wiki' }],
  ['docs', { kind: 'upstream', upstream: 'docs' }],
  ['alpha', { kind: 'agent', id: 'alpha', org: 'acme', upstreams: ['wiki'] }],
  ['beta', { kind: 'agent', id: 'beta', upstreams: ['docs'] }],
  ['robo', { kind: 'bot', id: 'robo', upstreams: ['wiki'] }],
  ['both', { kind: 'agent', id: 'both', upstreams: ['docs', 'wiki'] }],
]);
const upstreams = new Map(['wiki', 'docs'].map((name) => [name, { policy: { name, environment: 'live' } } as Upstream]));

/** What becomes of a request at the path: the upstream it is for, or the reason of the refusal. `taken` counts uses of the rate. */
async function at(
  path: string,
  key: Partial<KeyRecord>,
  ancestors: Partial<KeyRecord>[] = [],
  more: { address?: string; member?: string } = {},
) {
  let taken = 0;
  const throttle = {
    take: () => {
      taken++;
      return Promise.resolve({ allowed: true, retryAfterMs: 0, remaining: 1, resetMs: 1 });
    },
  };
  const whole = (record: Partial<KeyRecord>) => ({
    id: 'k',
    kind: 'agent',
    environment: 'live',
    rate: { calls: 9, perSeconds: 1 },
    upstreams: [],
    ...record,
  });
  const authenticated = {
    path,
    address: more.address ?? '10.0.0.1',
    member: more.member,
    policy: { endpoints, upstreams },
    reply: { carry: () => undefined },
    caller: { key: whole(key), ancestors: ancestors.map(whole), admitsAddress: (address: string) => address === '10.0.0.1' },
  } as unknown as Authenticated;
  try {
    const { upstream, endpoint } = await locate({ throttle }, authenticated);
    return { upstream: upstream.name, kind: endpoint.kind, taken };
  } catch (thrown) {
    if (!(thrown instanceof Denial)) throw thrown;
    return { reason: thrown.reason, taken };
  }
}

describe('locate', () => {
  it('I7: a child bound to another agent than its parent is at home nowhere', async () => {
    const child = { agentId: 'beta' };
    expect(await at('/mcp/beta', child, [{ agentId: 'alpha' }])).toMatchObject({ reason: 'WRONG_ENDPOINT' });
    expect(await at('/mcp/alpha', child, [{ agentId: 'alpha', orgId: 'acme' }])).toMatchObject({ reason: 'WRONG_ENDPOINT' });
    expect(await at('/mcp/docs', child, [{}, { agentId: 'alpha' }])).toMatchObject({ reason: 'TOOL_NOT_ALLOWED' });
    expect(await at('/mcp/beta', child, [{}, { agentId: 'beta' }, {}])).toMatchObject({ upstream: 'docs', kind: 'agent' });
  });

  it('I7: a bot that descends from an agent reaches no more than the agent', async () => {
    const bot = { kind: 'bot', botId: 'robo' } as const;
    expect(await at('/mcp/robo', bot, [{ agentId: 'beta' }])).toMatchObject({ reason: 'TOOL_NOT_ALLOWED' });
    expect(await at('/mcp/robo', bot, [{ agentId: 'alpha' }])).toMatchObject({ upstream: 'wiki', kind: 'bot' });
    expect(await at('/mcp/robo', bot, [{ kind: 'bot', botId: 'other' }])).toMatchObject({ reason: 'WRONG_ENDPOINT' });
  });

  it('I7: an ancestor of another organisation keeps its children away', async () => {
    const child = { agentId: 'alpha', orgId: 'acme' };
    expect(await at('/mcp/alpha', child, [{ orgId: 'other' }])).toMatchObject({ reason: 'WRONG_ENDPOINT' });
    expect(await at('/mcp/alpha', child, [{ orgId: 'acme' }, {}])).toMatchObject({ upstream: 'wiki' });
  });

  it('an agent’s name is no bot’s and the reverse', async () => {
    expect(await at('/mcp/docs', { kind: 'bot', botId: 'alpha' })).toMatchObject({ upstream: 'docs' });
    expect(await at('/mcp/docs', { agentId: 'robo' })).toMatchObject({ upstream: 'docs' });
  });

  it('judges in order: endpoint, kind, binding, environment, address, rate, upstream of the binding', async () => {
    const elsewhere = { address: '10.0.0.2' };
    const bot = { kind: 'bot', botId: 'other', environment: 'test' } as const;
    expect(await at('/mcp/nothing', bot, [], elsewhere)).toEqual({ reason: 'UNKNOWN_ENDPOINT', taken: 0 });
    expect(await at('/mcp/alpha', bot, [], elsewhere)).toEqual({ reason: 'WRONG_KEY_KIND', taken: 0 });
    expect(await at('/mcp/robo', bot, [], elsewhere)).toEqual({ reason: 'WRONG_ENDPOINT', taken: 0 });
    expect(await at('/mcp/robo', { ...bot, botId: 'robo' }, [], elsewhere)).toEqual({ reason: 'WRONG_ENVIRONMENT', taken: 0 });
    expect(await at('/mcp/wiki', { agentId: 'beta' }, [], elsewhere)).toEqual({ reason: 'ADDRESS_NOT_ALLOWED', taken: 0 });
    expect(await at('/mcp/wiki', { agentId: 'beta' })).toEqual({ reason: 'TOOL_NOT_ALLOWED', taken: 1 });
  });

  it('goes to the chosen member of several, counted before, and to no upstream that is none of them', async () => {
    const key = { agentId: 'both' };
    expect(await at('/mcp/both', key, [], { member: 'wiki' })).toEqual({ upstream: 'wiki', kind: 'agent', taken: 0 });
    expect(await at('/mcp/both', key)).toEqual({ upstream: 'docs', kind: 'agent', taken: 1 });
    expect(await at('/mcp/alpha', { agentId: 'alpha', orgId: 'acme' }, [], { member: 'docs' })).toMatchObject({
      reason: 'TOOL_NOT_ALLOWED',
    });
    expect(await at('/mcp', {}, [], { member: 'docs' })).toMatchObject({ upstream: 'docs', kind: 'all' });
    expect(await at('/mcp', { agentId: 'beta' }, [], { member: 'wiki' })).toMatchObject({ reason: 'TOOL_NOT_ALLOWED' });
    expect(await at('/mcp/wiki', key)).toMatchObject({ upstream: 'wiki' });
  });

  it.each(['/mcp/', '/mcp/wiki/', '/mcp/WIKI', '/mcp/wiki%20', '/mcp/wi/ki', '/MCP/wiki', '/mcp/constructor', '//mcp/wiki'])(
    'nothing is at %s',
    async (path) => expect(await at(path, {})).toMatchObject({ reason: 'UNKNOWN_ENDPOINT' }),
  );
});
