import { createHmac, createPublicKey } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeJwt, importJWK, type JWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedToken } from '../../src/authority/access-token.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';

let upstream: RecordingUpstream;
let gate: TestGateway;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  const tools = [
    { match: 'tool_0', scope: 'read:up', price: '0.01' },
    { match: 'tool_1', scope: 'write:up' },
  ];
  gate = await startTestGateway({ upstreams: { up: upstreamConfig(upstream.url, { tools }) } });
});
afterAll(async () => {
  await gate.close();
  await upstream.close();
});

/** Turns a key into an access token, as a program does. */
async function exchange(credential: string, request: { ttl?: string; scopes?: string[] } = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${credential}`, 'content-type': 'application/json' };
  return fetch(`${gate.url}/api/v1/token`, { method: 'POST', headers, body: JSON.stringify(request) });
}

async function issue(key: string, request: { ttl?: string; scopes?: string[] } = {}): Promise<IssuedToken> {
  const answer = await exchange(key, request);
  expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
  return (await answer.json()) as IssuedToken;
}

const call = (credential: string, tool = 'tool_0') => post(`${gate.url}/mcp/up`, { key: credential, body: toolCall(tool) });
const reasonOf = async (answer: ReturnType<typeof call>) => {
  const { status, json } = await answer;
  return [status, json.error?.data['reason'] ?? 'passed'];
};

/** Opens a session with the key and a stream in it with the access token; resolves once the stream's head is there. */
async function openStream(key: string, accessToken: string): Promise<Response> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
  const begun = await post(`${gate.url}/mcp/up`, { key, body: { jsonrpc: '2.0', id: 1, method: 'initialize', params } });
  const stream = await fetch(`${gate.url}/mcp/up`, {
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${accessToken}`,
      'mcp-session-id': begun.headers.get('mcp-session-id') ?? '',
    },
  });
  expect(stream.status).toBe(200);
  return stream;
}

describe('an access token', () => {
  it('calls as its key: one budget, one journal, one revocation', async () => {
    const { key, id } = await gate.mint({ scopes: ['read', 'write'], budgets: [{ amount: '0.02', per: 'total' }] });
    const { accessToken } = await issue(key);
    expect((await call(accessToken)).json.result).toBeDefined();
    expect(upstream.requests.at(-1)?.headers.authorization).toBe('Bearer upstream-secret');
    expect((await call(key)).json.result).toBeDefined();
    expect(await reasonOf(call(accessToken))).toEqual([200, 'BUDGET_EXHAUSTED']);
    expect((await gate.journal('call.intent')).filter(({ keyId }) => keyId === id)).toHaveLength(2);
    expect((await gate.journal('token.issued')).at(-1)).toMatchObject({ keyId: id, tokenId: decodeJwt(accessToken).jti });

    await revoke(gate.authority, id, { by: { via: 'cli' } });
    expect(await reasonOf(call(accessToken))).toEqual([401, 'TOKEN_REVOKED']);
    const again = await exchange(key);
    expect([again.status, ((await again.json()) as { reason: string }).reason]).toEqual([401, 'TOKEN_REVOKED']);
    // I5: the journal and the log hold no token.
    expect(JSON.stringify(await gate.journal()) + gate.logged()).not.toContain(accessToken.split('.')[2]);
  });

  it('with fewer scopes does less than its key, in lists too', async () => {
    const { key } = await gate.mint({ scopes: ['read', 'write'] });
    const { accessToken, scope } = await issue(key, { scopes: ['read:up'] });
    expect(scope).toBe('read:up');
    expect(await reasonOf(call(accessToken, 'tool_1'))).toEqual([403, 'INSUFFICIENT_SCOPE']);
    expect(await reasonOf(call(key, 'tool_1'))).toEqual([200, 'passed']);
    // Nor is the upstream told of more.
    const asserted = () => decodeJwt(String(upstream.requests.at(-1)?.headers['x-keygate-assertion'])).scope;
    expect(asserted()).toBe('read write');
    await call(accessToken);
    expect(asserted()).toBe('read:up');
    const list = (credential: string) =>
      post(`${gate.url}/mcp/up`, { key: credential, body: { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} } });
    const names = async (credential: string) => {
      const tools = (await list(credential)).json.result?.['tools'] as { name: string }[] | undefined;
      return (tools ?? []).map(({ name }) => name);
    };
    expect(await names(accessToken)).toEqual(['tool_0']);
    expect(await names(key)).toEqual(['tool_0', 'tool_1']);
  });

  it('I7: narrows with its key at the next call', async () => {
    const { key, id } = await gate.mint({ scopes: ['read', 'write'] });
    const { accessToken } = await issue(key);
    expect(await reasonOf(call(accessToken, 'tool_1'))).toEqual([200, 'passed']);
    const record = await gate.authority.keyring.get(id);
    if (!record) throw new Error('the key is gone');
    const narrowed = { ...record, scopes: ['read'], revision: record.revision + 1 };
    await gate.authority.keyring.replace({
      record: narrowed,
      expected: record.revision,
      fact: { kind: 'key.changed' },
      by: { via: 'cli' },
    });
    expect(await reasonOf(call(accessToken, 'tool_1'))).toEqual([403, 'INSUFFICIENT_SCOPE']);
    expect(await reasonOf(call(accessToken))).toEqual([200, 'passed']);
  });

  it('ends with the secret that a rotation ends, and the stream that it opened is cut', async () => {
    const { key, id } = await gate.mint({ scopes: ['read'] });
    const { accessToken } = await issue(key);
    const stream = await openStream(key, accessToken);
    const record = await gate.authority.keyring.get(id);
    if (!record) throw new Error('the key is gone');
    const digests = [{ digest: '0'.repeat(64), pepperId: 'none' }];
    const rotated = { ...record, digests, revision: record.revision + 1 };
    const began = performance.now();
    await gate.authority.keyring.replace({ record: rotated, expected: record.revision, fact: { kind: 'key.rotated' }, by: { via: 'cli' } });
    expect(await reasonOf(call(accessToken))).toEqual([401, 'TOKEN_INVALID']);
    expect(await reasonOf(call(key))).toEqual([401, 'TOKEN_INVALID']);
    await stream.text();
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('that has expired says so, and cuts the stream that it opened within a second of its end', async () => {
    const { key } = await gate.mint({ scopes: ['read'] });
    const { accessToken, expiresAt } = await issue(key, { ttl: '2s' });
    const stream = await openStream(key, accessToken);
    await stream.text();
    const late = Date.now() - Date.parse(expiresAt);
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(1_000);
    const refused = await call(accessToken);
    expect([refused.status, refused.json.error?.data['reason'], refused.json.error?.code]).toEqual([401, 'TOKEN_EXPIRED', -31401]);
    expect(refused.headers.get('www-authenticate')).toMatch(/error="invalid_token".*resource_metadata=/);
    expect(await reasonOf(call(key))).toEqual([200, 'passed']);
  });

  it('is renewed by a program before it ends, and no call of it is refused', async () => {
    const { key } = await gate.mint({ scopes: ['read'] });
    const client = renewing(() => issue(key, { ttl: '3s' }));
    const first = decodeJwt(await client.credential()).exp ?? 0;
    const reasons = new Set<unknown>();
    while (Date.now() < first * 1000 + 200) {
      reasons.add((await reasonOf(call(await client.credential()))).join(' '));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect([...reasons]).toEqual(['200 passed']);
    expect(client.renewals()).toBeGreaterThan(1);
  });
});

/** What a program does: it keeps the token while half of its life is left, and gets the next one before that. */
function renewing(renew: () => Promise<IssuedToken>) {
  let held: { token: IssuedToken; renewAt: number } | undefined;
  let renewals = 0;
  return {
    renewals: () => renewals,
    async credential(): Promise<string> {
      if (!held || Date.now() >= held.renewAt) {
        const token = await renew();
        renewals += 1;
        held = { token, renewAt: Date.now() + (Date.parse(token.expiresAt) - Date.now()) / 2 };
      }
      return held.token.accessToken;
    },
  };
}

describe('POST /api/v1/token', () => {
  it.each([
    ['a wider scope', { scopes: ['write'] }],
    ['a longer life', { ttl: '10m' }],
  ])('refuses %s', async (_what, request) => {
    const { key } = await gate.mint({ scopes: ['read'] });
    expect((await exchange(key, request)).status).toBe(422);
  });

  it('gives no token for a token: one that leaked ends', async () => {
    const { key } = await gate.mint({ scopes: ['read'] });
    const refused = await exchange((await issue(key)).accessToken);
    expect(refused.status).toBe(403);
  });
});

describe('A39: a JWT that is no access token of this gateway is refused with 401, and the upstream sees nothing', () => {
  const claims = () => {
    const iat = Math.floor(Date.now() / 1000);
    return { iss: gate.url, aud: gate.url, sub: keyId, jti: 'forged', iat, exp: iat + 300 };
  };
  let keyId = '';
  let signing: { kid: string; privateKey: Awaited<ReturnType<typeof importJWK>>; publicPem: string };

  beforeAll(async () => {
    keyId = (await gate.mint({ scopes: ['read'] })).id;
    const { keys } = JSON.parse(await readFile(join(gate.folder, 'var', 'signing.jwk'), 'utf8')) as { keys: JWK[] };
    const jwk = keys.find(({ kty }) => kty === 'EC');
    if (!jwk) throw new Error('no signing key');
    const published = (await (await fetch(`${gate.url}/.well-known/jwks.json`)).json()) as { keys: JWK[] };
    const kid = published.keys.find(({ x }) => x === jwk.x)?.kid ?? '';
    const { kty, crv, x, y } = jwk as { kty: string; crv: string; x: string; y: string };
    const publicPem = createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
    signing = { kid, privateKey: await importJWK(jwk, 'ES256'), publicPem };
  });

  const sign = (more: object = {}, header: object = {}) =>
    new SignJWT({ ...claims(), ...more })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: signing.kid, ...header })
      .sign(signing.privateKey);
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('the gateway’s own key signs one that works, so that each refusal below is for what it names', async () => {
    expect(await reasonOf(call(await sign()))).toEqual([200, 'passed']);
  });

  const cases: [what: string, make: () => string | Promise<string>][] = [
    ['alg none', () => `${encode({ alg: 'none', typ: 'at+jwt', kid: signing.kid })}.${encode(claims())}.`],
    [
      'HS256 with the public key',
      () => {
        const text = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: signing.kid })}.${encode(claims())}`;
        return `${text}.${createHmac('sha256', signing.publicPem).update(text).digest('base64url')}`;
      },
    ],
    ['jku', () => sign({}, { jku: `${gate.url}/.well-known/jwks.json` })],
    ['jwk', () => sign({}, { jwk: { kty: 'EC' } })],
    ['exp as a string', () => sign({ exp: String(claims().exp) as never })],
    ['an assertion, typ JWT', () => sign({}, { typ: 'JWT' })],
    ['another audience', () => sign({ aud: 'http://127.0.0.1:9001/mcp' })],
    ['another issuer', () => sign({ iss: 'http://127.0.0.1:1' })],
    ['a key that nobody minted', () => sign({ sub: 'ZZZZZZZZ' })],
  ];

  it.each(cases)('%s', async (_what, make) => {
    const before = upstream.requests.length;
    expect(await reasonOf(call(await make()))).toEqual([401, 'TOKEN_INVALID']);
    expect(upstream.requests.length).toBe(before);
  });

  it('the assertion that an upstream got', async () => {
    const { key } = await gate.mint({ scopes: ['read'] });
    await call(key);
    const assertion = String(upstream.requests.at(-1)?.headers['x-keygate-assertion']);
    expect(decodeJwt(assertion).sub).toBeDefined();
    expect(await reasonOf(call(assertion))).toEqual([401, 'TOKEN_INVALID']);
  });

  it('a right one in another place: Basic, twice, in the query', async () => {
    const token = await sign();
    const ask = (path: string, authorization: string | undefined) =>
      post(`${gate.url}${path}`, { body: toolCall('tool_0'), headers: authorization === undefined ? {} : { authorization } });
    expect((await ask('/mcp/up', `Basic ${token}`)).json.error?.data['reason']).toBe('TOKEN_INVALID');
    expect((await ask('/mcp/up', `Bearer ${token} ${token}`)).json.error?.data['reason']).toBe('TOKEN_INVALID');
    expect((await ask(`/mcp/up?access_token=${token}`, undefined)).json.error?.data['reason']).toBe('TOKEN_MISSING');
  });
});

describe('RateLimit headers', () => {
  it('say what is left of the rate, on answers and on refusals alike', async () => {
    const { key } = await gate.mint({ scopes: ['read'], rate: { calls: 3, perSeconds: 60 } });
    const answers = [await call(key), await call(key, 'tool_1'), await call(key), await call(key)];
    expect(answers.map(({ status }) => status)).toEqual([200, 403, 200, 429]);
    for (const [at, { headers }] of answers.entries()) {
      expect(headers.get('ratelimit-policy')).toBe('"burst";q=3;w=60');
      expect(headers.get('ratelimit')).toMatch(new RegExp(`^"burst";r=${Math.max(0, 2 - at)};t=(?:60|5[0-9])$`));
    }
    expect(Number(answers[3]?.headers.get('retry-after'))).toBeGreaterThan(49);
  });

  it('of a child are those of the rate that is nearest to its end, and an access token spends its key’s', async () => {
    const parent = await gate.mint({ scopes: ['read'], rate: { calls: 2, perSeconds: 30 } });
    const child = await gate.mint({ scopes: ['read'], parentId: parent.id, rate: { calls: 2, perSeconds: 60 } });
    await call(parent.key);
    const answer = await call((await issue(child.key)).accessToken);
    expect(answer.headers.get('ratelimit-policy')).toBe('"burst";q=2;w=30');
    expect(answer.headers.get('ratelimit')).toMatch(/^"burst";r=0;t=/);
    expect((await call(child.key)).status).toBe(429);
  });

  it('are not there for a key without a rate', async () => {
    const { key } = await gate.mint({ scopes: ['read'] });
    const { headers } = await call(key);
    expect([headers.get('ratelimit'), headers.get('ratelimit-policy')]).toEqual([null, null]);
  });
});
