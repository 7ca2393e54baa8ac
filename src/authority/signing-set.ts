import type { JsonWebKey } from 'node:crypto';
import { composeSigningKeys } from './create-secrets.ts';
import { Conflict, NotFound } from './problems.ts';
import { BadSigningKeys, readSigningKeys, type SigningKey } from './signing.ts';

/**
 * What a key of the set does now: `current` signs, `next` is published and waits, `retired` only verifies.
 * The first private key of a kind is current; any other private key is next.
 */
export interface SigningKeyView {
  readonly kid: string;
  readonly alg: 'ES256' | 'EdDSA';
  readonly role: 'current' | 'next' | 'retired';
  readonly signs: 'assertions and access tokens' | 'checkpoints';
}

/** @throws BadSigningKeys */
export function listSigning(text: string): SigningKeyView[] {
  return placed(text).map(({ kid, kind, role }) => ({
    kid,
    alg: kind,
    role,
    signs: kind === 'ES256' ? 'assertions and access tokens' : 'checkpoints',
  }));
}

/** The set with a fresh key of each kind, to be published before it signs. @throws Conflict where a next key waits already */
export function addSigning(text: string): string {
  const keys = placed(text);
  if (keys.some(({ role }) => role === 'next')) throw new Conflict('A next key waits already: promote it or remove it first.');
  return written([...keys, ...readSigningKeys(composeSigningKeys())]);
}

/**
 * The set in which the next key of each kind signs. The one before keeps only its public half, so it cannot sign again, and what it signed
 * goes on being verified. @throws Conflict where no next key waits
 */
export function promoteSigning(text: string): string {
  const keys = placed(text);
  const chosen = (['ES256', 'EdDSA'] as const).flatMap((kind) => keys.find((key) => key.kind === kind && key.role === 'next') ?? []);
  if (chosen.length === 0) throw new Conflict('No next key waits: add one, and promote it once every verifier can have seen it.');
  const kinds = new Set(chosen.map(({ kind }) => kind));
  const others = keys.filter((key) => !chosen.includes(key));
  return written([...chosen, ...others.map((key) => (key.role === 'current' && kinds.has(key.kind) ? publicOnly(key) : key))]);
}

/**
 * The set without this key. An Ed25519 key keeps its public half, since checkpoints are verified for as long as the journal is kept; an
 * EC key goes altogether, since what it signed ended minutes ago. @throws Conflict for the current key, NotFound
 */
export function removeSigning(text: string, kid: string): string {
  const keys = placed(text);
  const found = keys.find((key) => key.kid === kid);
  if (!found) throw new NotFound(`There is no signing key ${kid}.`);
  if (found.role === 'current') throw new Conflict('This key signs now: promote another one first.');
  if (found.kind === 'ES256') return written(keys.filter((key) => key !== found));
  return written(keys.map((key) => (key === found ? publicOnly(key) : key)));
}

type Placed = SigningKey & { readonly role: SigningKeyView['role'] };

function placed(text: string): Placed[] {
  const keys = readSigningKeys(text);
  const twice = keys.find((key, at) => keys.findIndex(({ kid }) => kid === key.kid) !== at);
  if (twice) throw new BadSigningKeys(`the signing keys hold ${twice.kid} twice`);
  return keys.map((key) => ({ ...key, role: roleOf(key, keys) }));
}

function roleOf(key: SigningKey, keys: readonly SigningKey[]): SigningKeyView['role'] {
  if (key.privateKey === undefined) return 'retired';
  return keys.find(({ kind, privateKey }) => kind === key.kind && privateKey !== undefined) === key ? 'current' : 'next';
}

function publicOnly<Key extends SigningKey>(key: Key): Key {
  return { ...key, privateKey: undefined };
}

function written(keys: readonly SigningKey[]): string {
  return `${JSON.stringify({ keys: keys.map(jwkOf) }, null, 2)}\n`;
}

function jwkOf({ kind, kid, privateKey, publicJwk }: SigningKey): JsonWebKey {
  if (privateKey === undefined) return publicJwk;
  return { ...privateKey.export({ format: 'jwk' }), kid, alg: kind, use: 'sig' };
}
