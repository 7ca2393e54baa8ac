import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createKnownCallers } from '../../../src/adapters/callers/known-callers.ts';
import { bindingOf } from '../../../src/domain/access-token.ts';
import { composeKey, digestKey } from '../../../src/domain/credential.ts';
import type { KeyRecord } from '../../../src/domain/key.ts';
import { compileScopes, covers } from '../../../src/domain/scope.ts';
import type { Keyring } from '../../../src/ports/keyring.ts';
import { digestOf, start, steppedClock, testKey } from '../../ports/subject.ts';
import { tokenSigner } from './signer.ts';

const url = 'http://127.0.0.1:8080';
const order = { hierarchy: ['read', 'trade', 'manage'] };
const pepper = 'a-pepper-a-pepper-a-pepper-a-pepper';
const signer = tokenSigner();

/** Known callers over a plain map of records; `epoch` grows with each change. */
function known(...records: KeyRecord[]) {
  const stored = new Map(records.map((record) => [record.id, record]));
  const clock = steppedClock();
  let epoch = 1;
  const unused = (): never => {
    throw new Error('not used here');
  };
  const keyring: Keyring = {
    byDigest: async (digest) => [...stored.values()].find((record) => record.digests.some((each) => each.digest === digest)),
    get: async (id) => stored.get(id),
    epoch: () => epoch,
    changedAt: () => epoch,
    onChange: unused,
    acknowledged: unused,
    list: unused,
    insert: unused,
    replace: unused,
    remove: unused,
    revoke: unused,
  };
  const callers = createKnownCallers({
    keyring,
    prefix: () => 'kg',
    peppers: () => [pepper],
    order,
    limits: { callersMax: 100, unknownMax: 100 },
    trust: { issuer: () => url, jwks: () => jwks, clock },
  });
  const jwks = { keys: [signer.jwk] };
  return {
    callers,
    clock,
    put(record: KeyRecord) {
      stored.set(record.id, record);
      epoch += 1;
    },
    drop(id: string) {
      stored.delete(id);
      epoch += 1;
    },
    token: (sub: string, more: { scope?: string; binding?: string; jti?: string } = {}) => {
      const iat = Math.floor(clock.now() / 1000);
      const header = JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: signer.kid });
      return signer.raw(header, JSON.stringify({ iss: url, aud: url, sub, jti: 'token-1', iat, exp: iat + 300, ...more }));
    },
  };
}

describe('byAccessToken', () => {
  it('gives the caller of the key record, cut down to the scopes of the token', async () => {
    const { callers, token } = known(testKey('ABCD1234', { scopes: ['manage', 'write:wiki'] }));
    const whole = await callers.byAccessToken(token('ABCD1234'));
    expect(whole).toMatchObject({ key: { id: 'ABCD1234' }, accessToken: { id: 'token-1', expiresAt: start + 300_000 } });
    expect(['read:wiki', 'write:wiki', 'manage:x'].map((scope) => whole?.grants(scope))).toEqual([true, true, true]);
    const cut = await callers.byAccessToken(token('ABCD1234', { scope: 'read:wiki trade' }));
    expect(['read:wiki', 'trade:x', 'write:wiki', 'manage:x'].map((scope) => cut?.grants(scope))).toEqual([true, true, false, false]);
  });

  it('a token grants no more than the key does now', async () => {
    const { callers, token, put } = known(testKey('ABCD1234', { scopes: ['read', 'write'] }));
    const text = token('ABCD1234', { scope: 'read write' });
    expect((await callers.byAccessToken(text))?.grants('write:wiki')).toBe(true);
    put(testKey('ABCD1234', { scopes: ['read'], revision: 2 }));
    const later = await callers.byAccessToken(text);
    expect([later?.key.revision, later?.grants('read'), later?.grants('write:wiki')]).toEqual([2, true, false]);
  });

  it('A39: a token of a key that is gone is unknown', async () => {
    const { callers, token, drop } = known(testKey('ABCD1234'));
    const text = token('ABCD1234');
    expect(await callers.byAccessToken(text)).toBeDefined();
    drop('ABCD1234');
    expect(await callers.byAccessToken(text)).toBeUndefined();
    expect(await callers.byAccessToken(token('ZZZZ0000'))).toBeUndefined();
  });

  it('a token ends with the secret it was given for', async () => {
    const old = { digest: digestOf('old'), pepperId: 'p1' };
    const { callers, token, put, clock } = known(testKey('ABCD1234', { digests: [old] }));
    const text = token('ABCD1234', { binding: bindingOf(old.digest) });
    expect(await callers.byAccessToken(text)).toMatchObject({ digest: old.digest });
    const fresh = { digest: digestOf('fresh'), pepperId: 'p1' };
    put(testKey('ABCD1234', { revision: 2, digests: [fresh, { ...old, until: start + 1_000 }] }));
    expect(await callers.byAccessToken(text)).toBeDefined();
    clock.step(1_000);
    expect(await callers.byAccessToken(text)).toBeUndefined();
    expect(await callers.byAccessToken(token('ABCD1234', { binding: bindingOf(fresh.digest) }))).toBeDefined();
    put(testKey('ABCD1234', { revision: 3, digests: [fresh] }));
    expect(await callers.byAccessToken(text)).toBeUndefined();
  });
});

describe('again', () => {
  it('keeps what a token cut off, also when the record is another', async () => {
    const { callers, token, put } = known(testKey('ABCD1234', { scopes: ['manage'] }));
    const cut = await callers.byAccessToken(token('ABCD1234', { scope: 'read' }));
    if (!cut) throw new Error('no caller');
    put(testKey('ABCD1234', { scopes: ['manage', 'write'], revision: 2 }));
    const anew = await callers.again(cut);
    expect(anew).toMatchObject({ key: { revision: 2 }, accessToken: { id: 'token-1' } });
    expect(['read', 'trade', 'write'].map((scope) => anew?.grants(scope))).toEqual([true, false, false]);
    // A copy has lost what the token said: it must not come back as the whole key.
    expect(await callers.again({ ...cut })).toBeUndefined();
  });

  it('a secret that a rotation ended is gone, another of the same key is not', async () => {
    const text = composeKey({ prefix: 'kg', environment: 'live', id: 'ABCD1234', secret: Buffer.alloc(32, 7) });
    const mine = { digest: digestKey(text, pepper), pepperId: 'p1' };
    const { callers, put } = known(testKey('ABCD1234', { digests: [mine] }));
    const caller = await callers.byKey(text);
    if (!caller) throw new Error('no caller');
    expect(await callers.again(caller)).toMatchObject({ key: { id: 'ABCD1234' }, digest: mine.digest });
    put(testKey('ABCD1234', { revision: 2 }));
    expect(await callers.again(caller)).toBeUndefined();
    expect(await callers.byId('ABCD1234')).toBeDefined();
  });
});

describe('byKey', () => {
  const text = composeKey({ prefix: 'kg', environment: 'live', id: 'ABCD1234', secret: Buffer.alloc(32, 7) });
  const digest = digestKey(text, pepper);

  it('a secret in its overlap works until its end, to the millisecond, without any change of the record', async () => {
    const { callers, clock } = known(testKey('ABCD1234', { digests: [{ digest, pepperId: 'p1', until: start + 1_000 }] }));
    expect(await callers.byKey(text)).toMatchObject({ digest });
    clock.step(999);
    expect(await callers.byKey(text)).toBeDefined();
    clock.step(1);
    expect(await callers.byKey(text)).toBeUndefined();
  });

  it('I7: a key whose ancestor is gone is an unknown key', async () => {
    const parent = testKey('PARENT00');
    const { callers, drop, put } = known(testKey('ABCD1234', { parentIds: ['PARENT00'], digests: [{ digest, pepperId: 'p1' }] }), parent);
    expect(await callers.byKey(text)).toMatchObject({ ancestors: [{ id: 'PARENT00' }] });
    drop('PARENT00');
    expect(await callers.byKey(text)).toBeUndefined();
    expect(await callers.byId('ABCD1234')).toBeUndefined();
    put(parent);
    expect(await callers.byKey(text)).toBeDefined();
  });
});

describe('I7: a caller', () => {
  const word = fc.constantFrom('read', 'trade', 'manage', 'write', '*', 'wiki', 'kb');
  const scope = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(':'));
  const scopes = fc.array(scope, { maxLength: 4 });
  const line = fc.array(scopes, { minLength: 1, maxLength: 4 });

  /** A chain of keys: the first of the line is the key, the others its ancestors. */
  function chain(line: readonly (readonly string[])[]): KeyRecord[] {
    const ids = line.map((_, at) => `KEY0000${at}`);
    return line.map((scopes, at) => testKey(ids[at] ?? '', { scopes, parentIds: ids.slice(at + 1) }));
  }

  it('grants just what every key of its line and its access token cover', async () => {
    await fc.assert(
      fc.asyncProperty(line, fc.option(fc.array(scope, { minLength: 1, maxLength: 3 })), scope, async (line, cut, wanted) => {
        const { callers, token } = known(...chain(line));
        const lineCovers = line.every((scopes) => covers(compileScopes(scopes, order), wanted));
        expect((await callers.byId('KEY00000'))?.grants(wanted)).toBe(lineCovers);
        const spoken = await callers.byAccessToken(token('KEY00000', cut === null ? {} : { scope: cut.join(' ') }));
        expect(spoken?.grants(wanted)).toBe(lineCovers && (cut === null || covers(compileScopes(cut, order), wanted)));
      }),
      { numRuns: 150 },
    );
  });

  const tool = fc.constantFrom('get_page', 'get_user', 'put_page', 'drop');
  const patterns = fc.array(fc.constantFrom('get_*', '*_page', 'drop', 'get_user', '*'), { maxLength: 3 });
  const block = fc.array(fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '192.168.0.0/24', '::1'), { maxLength: 3 });
  const address = fc.constantFrom('10.1.2.3', '10.1.9.9', '10.9.9.9', '192.168.0.7', '::1', '::ffff:10.1.2.3');

  it('admits no tool and no address that any key of its line does not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ tools: patterns, addresses: block }), { minLength: 1, maxLength: 4 }),
        tool,
        address,
        async (line, wanted, from) => {
          const ids = line.map((_, at) => `KEY0000${at}`);
          const keys = line.map((each, at) => testKey(ids[at] ?? '', { ...each, parentIds: ids.slice(at + 1) }));
          const caller = await known(...keys).callers.byId('KEY00000');
          const alone = await Promise.all(keys.map((key) => known({ ...key, parentIds: [] }).callers.byId(key.id)));
          expect(caller?.admitsTool(wanted)).toBe(alone.every((each) => each?.admitsTool(wanted)));
          expect(caller?.admitsAddress(from)).toBe(alone.every((each) => each?.admitsAddress(from)));
        },
      ),
      { numRuns: 150 },
    );
  });
});
