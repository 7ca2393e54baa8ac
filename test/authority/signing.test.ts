import { generateKeyPairSync, verify } from 'node:crypto';
import { calculateJwkThumbprint, importJWK, jwtVerify, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { composeSigningKeys } from '../../src/authority/create-secrets.ts';
import { BadSigningKeys, readCheckpointKeys, readSigning } from '../../src/authority/signing.ts';

interface Jwk {
  [member: string]: string;
}

describe('signing keys', () => {
  const text = composeSigningKeys();
  const set = JSON.parse(text) as { keys: [Jwk, Jwk] };

  it('are an ES256 and an EdDSA key named by their RFC 7638 thumbprints', async () => {
    expect(set.keys.map(({ kty, crv, alg, use }) => ({ kty, crv, alg, use }))).toEqual([
      { kty: 'EC', crv: 'P-256', alg: 'ES256', use: 'sig' },
      { kty: 'OKP', crv: 'Ed25519', alg: 'EdDSA', use: 'sig' },
    ]);
    for (const jwk of set.keys) expect(jwk.kid).toBe(await calculateJwkThumbprint(jwk as never));
  });

  it('sign what their public halves verify', async () => {
    const signing = readSigning(text);
    const token = await new SignJWT({ sub: 'AbCd1234' })
      .setProtectedHeader({ alg: 'ES256', kid: signing.es256.kid })
      .sign(signing.es256.privateKey);
    const jwk = signing.publicJwks.keys.find((key) => (key as { kid?: string }).kid === signing.es256.kid);
    expect((await jwtVerify(token, await importJWK(jwk as never, 'ES256'))).payload.sub).toBe('AbCd1234');

    const signature = Buffer.from(signing.ed25519.sign('statement'), 'base64url');
    const key = signing.checkpointKeys.get(signing.ed25519.kid);
    if (key === undefined) throw new Error('no checkpoint key');
    expect(verify(null, Buffer.from('statement'), key, signature)).toBe(true);
    expect(verify(null, Buffer.from('Statement'), key, signature)).toBe(false);
  });

  it('show no private member in public', () => {
    const shown = JSON.stringify(readSigning(text).publicJwks);
    for (const jwk of set.keys) expect(shown).not.toContain(jwk.d);
    expect(shown).not.toContain('"d"');
  });

  it('keep retired keys for verifying, and sign with the first', () => {
    const next = JSON.parse(composeSigningKeys()) as { keys: [Jwk, Jwk] };
    const { d: _secret, ...retired } = set.keys[1];
    const signing = readSigning(JSON.stringify({ keys: [...next.keys, retired] }));
    expect(signing.ed25519.kid).toBe(next.keys[1].kid);
    expect([...signing.checkpointKeys.keys()]).toEqual([next.keys[1].kid, retired.kid]);
    const publicText = JSON.stringify(signing.publicJwks);
    expect([...readCheckpointKeys(publicText).keys()]).toEqual([...signing.checkpointKeys.keys()]);
  });

  const { d: _d, ...publicEc } = set.keys[0];
  const other = JSON.parse(composeSigningKeys()) as { keys: [Jwk, Jwk] };
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  it.each([
    ['text that is not JSON', `{"keys": [${text}`, 'not valid JSON'],
    ['something else', '[]', 'not a JWK Set'],
    ['an empty set', '{"keys":[]}', 'no private EC P-256'],
    ['no Ed25519 key', JSON.stringify({ keys: [set.keys[0]] }), 'no private Ed25519'],
    ['a public half alone', JSON.stringify({ keys: [publicEc, set.keys[1]] }), 'no private EC P-256'],
    ['a key of another kind', JSON.stringify({ keys: [rsa] }), 'neither EC P-256 nor Ed25519'],
    [
      'halves of two keys',
      JSON.stringify({ keys: [{ ...set.keys[0], x: other.keys[0].x, y: other.keys[0].y, kid: undefined }] }),
      'not a usable EC P-256',
    ],
    ['a name that is not the thumbprint', JSON.stringify({ keys: [{ ...set.keys[0], kid: 'mine' }] }), 'not its thumbprint'],
  ])('are refused with their fault named and no secret shown: %s', (_what, bad, fault) => {
    let message = '';
    try {
      readSigning(bad);
    } catch (error) {
      expect(error).toBeInstanceOf(BadSigningKeys);
      message = (error as Error).message;
    }
    expect(message).toContain(fault);
    for (const jwk of set.keys) expect(message).not.toContain(jwk.d);
  });
});
