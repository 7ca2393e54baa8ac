import { generateSync } from 'otplib';
import type { Key, World } from './world.ts';

/** A key with a second factor, and its next code: each code is good once, so every one is a step of its own. */
export async function enrolled(world: World, terms: Record<string, unknown>): Promise<Key & { code: () => string }> {
  const key = await world.key(terms);
  const told = await world.ask('POST', `/keys/${key.id}/step-up`);
  const secret: string = told.json.secret;
  return { ...key, code: () => generateSync({ secret }) };
}

/** The same, with its second factor passed. */
export async function steppedUp(world: World, terms: Record<string, unknown>): Promise<Key> {
  const key = await enrolled(world, terms);
  const told = await world.askData('POST', '/step-up', { key: key.key, body: { code: key.code() } });
  if (told.status !== 200) throw new Error(told.text);
  return key;
}
