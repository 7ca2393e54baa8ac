import type { Authority } from './authority.ts';
import { type Confined, everyKey, findKey } from './list.ts';
import { type KeyView, viewKey } from './view.ts';

/** A key with the keys that it minted itself. */
export interface KeyShown extends KeyView {
  readonly childIds: readonly string[];
}

/** @throws NotFound */
export async function showKey(authority: Authority, id: string, by: Confined = {}): Promise<KeyShown> {
  const key = await findKey(authority, id, by);
  const childIds: string[] = [];
  for await (const child of everyKey(authority, { parentId: key.id })) childIds.push(child.id);
  return { ...viewKey(key, authority.clock.now()), childIds };
}
