import { generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { mkdir, open, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { thumbprint } from './signing.ts';

/** Where the gateway's own secrets are kept; those that do not come from files are absent. */
export interface SecretPaths {
  readonly pepper?: string | undefined;
  readonly seal?: string | undefined;
  readonly signing?: string | undefined;
}

export interface SecretsCreated {
  readonly created: readonly string[];
  /** Files that stood there already; they are never touched, since every key and session depends on them. */
  readonly kept: readonly string[];
}

/** Creates the secret files that are missing: mode 0600, in folders of mode 0700. Never overwrites. */
export async function createSecrets(options: { paths: SecretPaths; random: (bytes: number) => Uint8Array }): Promise<SecretsCreated> {
  const { paths, random } = options;
  const secret = (): string => `${Buffer.from(random(32)).toString('base64url')}\n`;
  const created: string[] = [];
  const kept: string[] = [];
  for (const [path, compose] of [
    [paths.pepper, secret],
    [paths.seal, secret],
    [paths.signing, composeSigningKeys],
  ] as const) {
    if (path === undefined || created.includes(path) || kept.includes(path)) continue;
    const isNew = await createFile(path, compose);
    (isNew ? created : kept).push(path);
  }
  return { created, kept };
}

/** A fresh private JWK Set: one EC P-256 key for assertions, one Ed25519 key for checkpoints. */
export function composeSigningKeys(): string {
  const es256 = signingJwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, 'ES256');
  const ed25519 = signingJwk(generateKeyPairSync('ed25519').privateKey, 'EdDSA');
  return `${JSON.stringify({ keys: [es256, ed25519] }, null, 2)}\n`;
}

function signingJwk(privateKey: KeyObject, alg: 'ES256' | 'EdDSA'): JsonWebKey {
  const jwk = privateKey.export({ format: 'jwk' });
  return { ...jwk, kid: thumbprint(jwk), alg, use: 'sig' };
}

/** False where the file exists. O_EXCL decides, so two that run at once agree on one file, and a symbolic link is not followed. */
async function createFile(path: string, compose: () => string): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (file === undefined) return false;
  try {
    await file.writeFile(compose());
    await file.sync();
  } catch (error) {
    // Half a secret would be kept for ever by the next run.
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  return true;
}
