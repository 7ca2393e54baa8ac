import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startWorld, type World } from './world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const body = { name: 'nightly wiki reader', scopes: ['read:up'] };
const text = JSON.stringify(body);

describe('A16: what another site could send', () => {
  it.each([
    ['an origin', { origin: 'https://evil.example' }, 403],
    ['the origin null', { origin: 'null' }, 403],
    ['a name that was rebound', { host: 'evil.example' }, 403],
    ['an address that is not this listener', { host: '10.1.2.3:80' }, 403],
    ['a text', { 'content-type': 'text/plain' }, 415],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['no type', { 'content-type': '' }, 415],
    ['a packed body', { 'content-encoding': 'gzip' }, 415],
    ['two authorizations', { authorization: ['Bearer a', 'Bearer b'] }, 400],
  ])('%s is refused, and changes nothing', async (_what, headers, status) => {
    const before = (await world.gateway.journal('key.minted')).length;
    const told = await world.ask('POST', '/keys/mint', { text, headers });
    expect(told.status).toBe(status);
    expect(told.headers['access-control-allow-origin']).toBeUndefined();
    expect(await world.gateway.journal('key.minted')).toHaveLength(before);
  });

  it('a cookie is no key', async () => {
    const told = await world.ask('POST', '/keys/mint', { key: null, text, headers: { cookie: `session=${world.operator.key}` } });
    expect(told).toMatchObject({ status: 401, json: { reason: 'TOKEN_MISSING' } });
  });

  it('a preflight gives nothing away', async () => {
    const told = await world.ask('OPTIONS', '/keys', { key: null, headers: { origin: 'https://evil.example' } });
    expect(told.status).toBe(403);
    expect(told.headers['access-control-allow-origin']).toBeUndefined();
  });

  it.each(['localhost', '127.0.0.1:9999', '[::1]:8081'])('the Host %s is a loopback name', async (host) => {
    expect((await world.ask('GET', '/me', { headers: { host } })).status).toBe(200);
  });
});

describe('a body', () => {
  it.each([
    ['half an object', '{"name":', 'PARSE_ERROR'],
    ['nothing', '', 'PARSE_ERROR'],
    ['half a surrogate pair', '{"name":"\\ud800"}', 'INVALID_JSON'],
    ['a member that stands twice', '{"name":"a","name":"b"}', 'INVALID_JSON'],
    ['a depth beyond the limit', `{"metadata":${'['.repeat(100)}${']'.repeat(100)}}`, 'INVALID_JSON'],
  ])('with %s is not well-formed', async (_what, sent, reason) => {
    const told = await world.ask('POST', '/keys/mint', { text: sent });
    expect(told).toMatchObject({ status: 400, json: { reason } });
  });

  it('is told everything that is wrong with it at once', async () => {
    const told = await world.ask('POST', '/keys/mint', {
      body: { name: '', scopes: ['READ'], budgets: [{ amount: '1.0000001', per: 'day' }], expires_days: 0, color: 'red' },
    });
    const paths = told.json.problems.map(({ path }) => path).sort();
    expect(paths).toEqual(['budgets[0].amount', 'color', 'expires_days', 'name', 'scopes[0]']);
  });

  it.each(['1.0000001', '-1', '1e3', '', '0', 5])('an amount of %j is no money', async (amount) => {
    await world.ask('POST', '/accounts', { body: { id: 'acme-main' } });
    expect((await world.ask('POST', '/accounts/acme-main/credit', { body: { amount, reference: 'r' } })).json).toMatchObject({
      status: 422,
      problems: [{ path: 'amount' }],
    });
    expect((await world.ask('GET', '/accounts/acme-main')).json.balance).toBe('0');
  });

  it('cannot reach the prototype of anything', async () => {
    const told = await world.ask('POST', '/keys/mint', {
      text: '{"name":"nightly wiki reader","__proto__":{"kind":"operator"},"constructor":{}}',
    });
    expect(told.status).toBe(422);
    expect(({} as { kind?: string }).kind).toBeUndefined();
  });
});

describe('a query', () => {
  it.each(['limit=0', 'limit=501', 'limit=1e2', 'limit=1&limit=2', 'cursor=..%2F', 'kind=root', 'colour=red'])(
    '%s is refused',
    async (query) => {
      expect((await world.ask('GET', `/keys?${query}`)).status).toBe(422);
    },
  );

  it('pages through everything once', async () => {
    for (let made = 0; made < 5; made += 1) await world.key({ orgId: 'paged' });
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { json } = await world.ask('GET', `/keys?orgId=paged&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`);
      seen.push(...json.data.map(({ id }) => id));
      cursor = json.nextCursor;
    }
    expect(new Set(seen).size).toBe(5);
    expect(seen).toHaveLength(5);
  });
});

describe('failed authentication', () => {
  it('is counted for each address, and never holds up a good key', async () => {
    const strict = await startWorld({ limits: { failedAuthPerMinuteMax: 3 } });
    try {
      const told = [];
      for (let tries = 0; tries < 5; tries += 1) told.push((await strict.ask('GET', '/me', { key: 'kg_live_nonsense' })).status);
      expect(told).toEqual([401, 401, 401, 429, 429]);
      expect((await strict.ask('GET', '/me')).status).toBe(200);
    } finally {
      await strict.close();
    }
  });
});

it('one key may ask a thousand times in ten seconds, and not more', async () => {
  const { key } = await world.key();
  const statuses = new Set<number>();
  for (let batch = 0; batch < 21; batch += 1) {
    const told = await Promise.all(Array.from({ length: 50 }, () => world.askData('GET', '/me', { key })));
    for (const { status } of told) statuses.add(status);
  }
  expect([...statuses].sort()).toEqual([200, 429]);
  expect((await world.ask('GET', '/me')).status).toBe(200);
});
