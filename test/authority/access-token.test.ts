import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { issueAccessToken } from '../../src/authority/access-token.ts';
import { RequestProblems } from '../../src/authority/problems.ts';
import { bindingOf, readAccessToken } from '../../src/domain/access-token.ts';
import type { KeyRecord } from '../../src/domain/key.ts';
import type { RecordFacts } from '../../src/domain/record.ts';
import type { Caller } from '../../src/ports/callers.ts';
import { tokenSigner } from '../adapters/callers/signer.ts';
import { digestOf, minute, start, testKey } from '../ports/subject.ts';

const url = 'https://gate.example.com';
const signer = tokenSigner();

function callerOf(key: KeyRecord, more: Partial<Caller> = {}): Caller {
  return { key, ancestors: [], ...more } as Caller;
}

/** Issues one token over a ledger that keeps its records. */
function issuing() {
  const records: RecordFacts[] = [];
  const issuer = {
    ledger: { record: async (facts: RecordFacts) => void records.push(facts) } as never,
    random: (bytes: number) => Buffer.alloc(bytes, 5),
    scopes: { hierarchy: ['read', 'trade', 'manage'] },
    signing: () => ({ es256: { kid: signer.kid, privateKey: signer.privateKey } }),
    issuer: () => url,
  };
  return {
    records,
    issue: (request: Parameters<typeof issueAccessToken>[1], now = start) => issueAccessToken(issuer, request, now),
  };
}

const key = testKey('ABCD1234', { scopes: ['trade', 'write:wiki', 'org:acme'], orgId: 'acme' });

describe('issueAccessToken', () => {
  it('signs a JWT for five minutes that names the key and what it is', async () => {
    const { issue, records } = issuing();
    const issued = await issue({ caller: callerOf(key, { digest: digestOf('one') }) }, start + 999);
    const expiresAt = new Date(start + 5 * minute).toISOString();
    expect(issued).toEqual({ accessToken: expect.any(String), expiresAt, tokenType: 'Bearer', scope: 'trade write:wiki org:acme' });
    expect(decodeProtectedHeader(issued.accessToken)).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: signer.kid });
    const { payload } = await jwtVerify(issued.accessToken, signer.publicKey, {
      ...{ issuer: url, audience: url, typ: 'at+jwt', algorithms: ['ES256'], currentDate: new Date(start) },
    });
    expect(payload).toEqual({
      ...{ iss: url, aud: url, sub: 'ABCD1234', jti: '05'.repeat(16), binding: bindingOf(digestOf('one')) },
      ...{ iat: start / 1000, exp: start / 1000 + 300 },
    });
    expect(readAccessToken(issued.accessToken, { issuer: url })?.claims.keyId).toBe('ABCD1234');
    expect(records).toMatchObject([{ kind: 'token.issued', keyId: 'ABCD1234', org: 'acme', tokenId: '05'.repeat(16), expiresAt }]);
    // I5: neither the token nor the digest is in the journal.
    expect(JSON.stringify(records)).not.toMatch(new RegExp(`${issued.accessToken}|${digestOf('one')}|eyJ`));
  });

  it('cuts scopes and life down as asked', async () => {
    const { issue, records } = issuing();
    const issued = await issue({ caller: callerOf(key), ttl: '90s', scopes: ['read:wiki', 'write:wiki:home'] });
    expect(issued).toMatchObject({ scope: 'read:wiki write:wiki:home', expiresAt: new Date(start + 90_000).toISOString() });
    expect(decodeJwt(issued.accessToken)).toMatchObject({ scope: 'read:wiki write:wiki:home', exp: start / 1000 + 90 });
    expect(decodeJwt(issued.accessToken)).not.toHaveProperty('binding');
    expect(records).toMatchObject([{ scopes: ['read:wiki', 'write:wiki:home'] }]);
  });

  it('never outlives the key or an ancestor', async () => {
    const { issue } = issuing();
    const parent = testKey('PARENT00', { expiresAt: start + 20_500 });
    const issued = await issue({ caller: callerOf({ ...key, expiresAt: start + minute }, { ancestors: [parent] }) });
    expect(decodeJwt(issued.accessToken).exp).toBe(start / 1000 + 20);
  });

  it.each([
    ['a wider scope', { scopes: ['read:wiki', 'manage'] }, ['scopes[1]']],
    ['what an ancestor does not cover', { scopes: ['write:wiki'] }, ['scopes[0]']],
    ['a wildcard', { scopes: ['*'] }, ['scopes[0]']],
    ['a text that is no scope', { scopes: ['READ'] }, ['scopes[0]']],
    ['no scope at all', { scopes: [] }, ['scopes']],
    ['too many', { scopes: Array.from({ length: 500 }, (_, at) => `read:wiki:page-${at}`) }, ['scopes']],
    ['more than five minutes', { ttl: '6m' }, ['ttl']],
    ['301 seconds', { ttl: '301s' }, ['ttl']],
    ['no life', { ttl: '0s' }, ['ttl']],
    ['no number', { ttl: 'never' }, ['ttl']],
    ['two mistakes', { ttl: '1h', scopes: ['manage'] }, ['ttl', 'scopes[0]']],
  ])('refuses %s and signs nothing', async (_what, request, paths) => {
    const { issue, records } = issuing();
    const parent = testKey('PARENT00', { scopes: ['trade'] });
    const asked = issue({ caller: callerOf(key, { ancestors: [parent] }), ...request });
    const refused = await asked.catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RequestProblems);
    expect((refused as RequestProblems).problems.map(({ path }) => path)).toEqual(paths);
    expect(records).toEqual([]);
  });

  it.each([
    ['an access token', callerOf(key, { accessToken: { id: 'x', expiresAt: start + minute } }), 'WRONG_KEY_KIND'],
    ['a revoked key', callerOf({ ...key, revokedAt: start }), 'TOKEN_REVOKED'],
    ['an expired key', callerOf({ ...key, expiresAt: start }), 'TOKEN_EXPIRED'],
    ['a key in its last second', callerOf({ ...key, expiresAt: start + 999 }), 'TOKEN_EXPIRED'],
    ['a key of a revoked parent', callerOf(key, { ancestors: [testKey('PARENT00', { revokedAt: start })] }), 'TOKEN_REVOKED'],
  ])('refuses %s', async (_what, caller, reason) => {
    const { issue, records } = issuing();
    await expect(issue({ caller })).rejects.toMatchObject({ name: 'Denial', reason });
    expect(records).toEqual([]);
  });

  it('gives nothing away that is not on record', async () => {
    const { issue, records } = issuing();
    records.push = () => {
      throw new Error('the store is gone');
    };
    await expect(issue({ caller: callerOf(key) })).rejects.toThrow('the store is gone');
  });
});
