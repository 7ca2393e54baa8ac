import { createHash, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';

/** An ES256 key pair with its public JWK, and a way to sign any header and payload with it, right or wrong. */
export interface TokenSigner {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JsonWebKey;
  /** Header and payload as JSON text, so that a test can write what no library would. */
  raw(header: string, payload: string): string;
}

export function tokenSigner(): TokenSigner {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = createPublicKey(privateKey);
  const jwk = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
  return {
    kid,
    privateKey,
    publicKey,
    jwk: { ...jwk, kid, alg: 'ES256', use: 'sig' },
    raw(header, payload) {
      const signed = `${part(header)}.${part(payload)}`;
      return `${signed}.${sign('sha256', Buffer.from(signed), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    },
  };
}

/** Base64url of a text, as a part of a JWT. */
export function part(text: string): string {
  return Buffer.from(text).toString('base64url');
}
