import { deadReason } from '../domain/key.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Authority } from './authority.ts';
import { createSecrets, type SecretPaths, type SecretsCreated } from './create-secrets.ts';
import { everyKey } from './list.ts';
import { type Minted, mint } from './mint.ts';

export interface Initialised extends SecretsCreated {
  /** The first operator key; undefined where the store has a live one already. Its text is shown once. */
  readonly operator: Minted | undefined;
}

/**
 * Makes a gateway ready to start: secret files first, then a store with an operator. Running it again changes nothing that stands.
 * @param options.open opens the store; called only once the secret files exist
 */
export async function initialise(options: {
  paths: SecretPaths;
  random: (bytes: number) => Uint8Array;
  open: () => Promise<{ authority: Authority; close(): Promise<void> }>;
}): Promise<Initialised> {
  const secrets = await createSecrets({ paths: options.paths, random: options.random });
  const { authority, close } = await options.open();
  try {
    return { ...secrets, operator: await mintFirstOperator(authority, { via: 'init' }) };
  } finally {
    await close();
  }
}

/** Mints the first operator key, where no operator key of the store is alive. */
export async function mintFirstOperator(authority: Authority, by: Actor): Promise<Minted | undefined> {
  if (await hasLiveOperator(authority)) return undefined;
  return await mint(authority, { name: 'first operator', kind: 'operator', scopes: ['manage', 'admin'] }, by);
}

async function hasLiveOperator(authority: Authority): Promise<boolean> {
  const now = authority.clock.now();
  for await (const key of everyKey(authority, { kind: 'operator' })) if (deadReason(key, now) === undefined) return true;
  return false;
}
