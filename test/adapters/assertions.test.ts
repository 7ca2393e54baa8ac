import { createLocalJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import { expect, test } from 'vitest';
import { createAssertions } from '../../src/adapters/assertions.ts';
import { composeSigningKeys } from '../../src/authority/create-secrets.ts';
import { readSigning } from '../../src/authority/signing.ts';
import type { KeyRecord } from '../../src/domain/key.ts';

const audience = 'http://127.0.0.1:9001/mcp';
const start = Date.UTC(2026, 0, 1);

function key(more: Partial<KeyRecord> = {}): KeyRecord {
  const record = {
    id: 'abcd1234',
    revision: 1,
    scopes: ['read:wiki', 'trade'],
    environment: 'live',
    parentIds: [],
    orgId: 'acme',
    ...more,
  };
  return record as unknown as KeyRecord;
}

function open() {
  let signing = readSigning(composeSigningKeys());
  let now = start;
  let issuer = 'https://gate.example.com';
  const assertions = createAssertions({
    signer: () => signing.es256,
    issuer: () => issuer,
    clock: { now: () => now, monotonic: () => now },
  });
  return {
    assertions,
    pass: (ms: number) => {
      now += ms;
    },
    rotate: () => {
      signing = readSigning(composeSigningKeys());
    },
    rename: (url: string) => {
      issuer = url;
    },
    verify: async (jwt: string): Promise<JWTPayload> => {
      const keys = createLocalJWKSet(signing.publicJwks as Parameters<typeof createLocalJWKSet>[0]);
      const { payload, protectedHeader } = await jwtVerify(jwt, keys, { issuer, audience, currentDate: new Date(now) });
      expect(protectedHeader).toEqual({ alg: 'ES256', kid: signing.es256.kid, typ: 'JWT' });
      return payload;
    },
  };
}

test('it says who calls, for two minutes', async () => {
  const { assertions, verify } = open();
  const iat = start / 1000;
  expect(await verify(await assertions.sign({ key: key({ agentId: 'devops' }), audience }))).toEqual({
    iss: 'https://gate.example.com',
    aud: audience,
    sub: 'abcd1234',
    iat,
    exp: iat + 120,
    org: 'acme',
    agent: 'devops',
    scope: 'read:wiki trade',
    env: 'live',
  });
});

test('RFC 8693 section 4.1: the parent is the outermost actor, the oldest ancestor the most deeply nested', async () => {
  const { assertions, verify } = open();
  const payload = await verify(await assertions.sign({ key: key({ parentIds: ['parent01', 'grandp02', 'eldest03'] }), audience }));
  expect(payload.act).toEqual({ sub: 'parent01', act: { sub: 'grandp02', act: { sub: 'eldest03' } } });
  expect(await verify(await assertions.sign({ key: key({ id: 'eldest03' }), audience }))).not.toHaveProperty('act');
});

test('what an access token was cut down to is what the upstream is told', async () => {
  const { assertions, verify } = open();
  const whole = await assertions.sign({ key: key(), audience });
  expect(await verify(await assertions.sign({ key: key(), scopes: ['read:wiki'], audience }))).toMatchObject({ scope: 'read:wiki' });
  expect(decodeJwt(whole).scope).toBe('read:wiki trade');
});

test('one is used again for a minute, so that at least a minute of it is left', async () => {
  const { assertions, pass } = open();
  const jwt = await assertions.sign({ key: key(), audience });
  pass(59_000);
  expect(await assertions.sign({ key: key(), audience })).toBe(jwt);
  expect(await assertions.sign({ key: key({ revision: 2 }), audience })).not.toBe(jwt);
  pass(1_000);
  expect(await assertions.sign({ key: key(), audience })).not.toBe(jwt);
});

test('after a rotation, or under another name, nothing signed before is used again', async () => {
  const { assertions, rotate, rename, verify } = open();
  const jwt = await assertions.sign({ key: key(), audience });
  rotate();
  const next = await assertions.sign({ key: key(), audience });
  expect(next).not.toBe(jwt);
  await verify(next);
  rename('https://other.example.com');
  await verify(await assertions.sign({ key: key(), audience }));
});
