import { createHash, createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject, sign, verify } from 'node:crypto';

/** The keys this gateway signs with, from one private JWK Set (RFC 7517). */
export interface Signing {
  /** Signs assertions for upstreams (JWT, ES256). */
  readonly es256: { readonly kid: string; readonly privateKey: KeyObject };
  /** Signs journal checkpoints: Ed25519 (RFC 8032), base64url. */
  readonly ed25519: { readonly kid: string; sign(text: string): string };
  /** The public halves, as `/.well-known/jwks.json` shows them. */
  readonly publicJwks: { readonly keys: readonly JsonWebKey[] };
  /** Every public Ed25519 key of the set by its id, retired ones included: what checkpoints verify against. */
  readonly checkpointKeys: ReadonlyMap<string, KeyObject>;
}

export class BadSigningKeys extends Error {
  override readonly name = 'BadSigningKeys';
}

/**
 * Reads the signing keys. The first private key of each kind signs; others, private or public, stay for verifying what they once signed.
 * @param text a JWK Set with an EC P-256 and an Ed25519 private key
 * @throws BadSigningKeys whose text names the fault and never a member's value
 */
export function readSigning(text: string): Signing {
  const keys = readSigningKeys(text);
  const es256 = keys.find((key) => key.kind === 'ES256' && key.privateKey !== undefined);
  const ed25519 = keys.find((key) => key.kind === 'EdDSA' && key.privateKey !== undefined);
  if (es256?.privateKey === undefined) throw new BadSigningKeys('the signing keys hold no private EC P-256 key (kty EC, crv P-256)');
  if (ed25519?.privateKey === undefined) throw new BadSigningKeys('the signing keys hold no private Ed25519 key (kty OKP, crv Ed25519)');

  const checkpointKey = ed25519.privateKey;
  return {
    es256: { kid: es256.kid, privateKey: es256.privateKey },
    ed25519: { kid: ed25519.kid, sign: (signed) => sign(null, Buffer.from(signed, 'utf8'), checkpointKey).toString('base64url') },
    publicJwks: { keys: keys.map((key) => key.publicJwk) },
    checkpointKeys: checkpointKeysOf(keys),
  };
}

/** Reads the public checkpoint keys of a JWK Set, private or public: all that verifying needs. @throws BadSigningKeys */
export function readCheckpointKeys(text: string): ReadonlyMap<string, KeyObject> {
  return checkpointKeysOf(readSigningKeys(text));
}

/** The key's name: SHA-256 over its required public members in order (RFC 7638 section 3, RFC 8037 section 2 for OKP), base64url. */
export function thumbprint(jwk: JsonWebKey): string {
  const members = jwk.kty === 'EC' ? { crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y } : { crv: jwk.crv, kty: jwk.kty, x: jwk.x };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}

/** Every key of a JWK Set, in its order. @throws BadSigningKeys */
export function readSigningKeys(text: string): SigningKey[] {
  return parseSet(text).map(readKeyEntry);
}

/** One key of the set, private or public only. */
export interface SigningKey {
  readonly kind: 'ES256' | 'EdDSA';
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject | undefined;
  readonly publicJwk: JsonWebKey;
}

function checkpointKeysOf(keys: readonly SigningKey[]): ReadonlyMap<string, KeyObject> {
  return new Map(keys.filter((key) => key.kind === 'EdDSA').map((key) => [key.kid, key.publicKey]));
}

function parseSet(text: string): unknown[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // JSON.parse quotes its input in its message, and this input is secret.
    throw new BadSigningKeys('the signing keys are not valid JSON');
  }
  const keys = typeof parsed === 'object' && parsed !== null ? (parsed as { keys?: unknown }).keys : undefined;
  if (!Array.isArray(keys)) throw new BadSigningKeys('the signing keys are not a JWK Set: {"keys": [...]} (RFC 7517 section 5)');
  return keys;
}

function readKeyEntry(entry: unknown, at: number): SigningKey {
  const jwk = (typeof entry === 'object' && entry !== null ? entry : {}) as JsonWebKey;
  const kind = jwk.kty === 'EC' && jwk.crv === 'P-256' ? 'ES256' : jwk.kty === 'OKP' && jwk.crv === 'Ed25519' ? 'EdDSA' : undefined;
  if (kind === undefined) throw new BadSigningKeys(`signing key ${at} is neither EC P-256 nor Ed25519`);
  const digest = kind === 'ES256' ? 'sha256' : null;
  const probe = Buffer.from('probe');
  let privateKey: KeyObject | undefined;
  let publicKey: KeyObject;
  try {
    privateKey = jwk.d === undefined ? undefined : createPrivateKey({ key: jwk, format: 'jwk' });
    publicKey = createPublicKey({ key: { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y } as JsonWebKey, format: 'jwk' });
    // node takes the public half as it is written, so only a signature tells whether the two belong together.
    if (privateKey !== undefined && !verify(digest, probe, publicKey, sign(digest, probe, privateKey))) throw new Error('halves differ');
  } catch {
    throw new BadSigningKeys(`signing key ${at} is not a usable ${kind === 'ES256' ? 'EC P-256' : 'Ed25519'} key`);
  }
  const publicMembers = publicKey.export({ format: 'jwk' });
  const kid = thumbprint(publicMembers);
  const stated: unknown = (entry as { kid?: unknown }).kid;
  if (stated !== undefined && stated !== kid) throw new BadSigningKeys(`signing key ${at} has a kid that is not its thumbprint (RFC 7638)`);
  return { kind, kid, publicKey, privateKey, publicJwk: { ...publicMembers, kid, alg: kind, use: 'sig' } };
}
