import type { Authority } from './authority.ts';
import { type Confined, everyKey, findKey } from './list.ts';
import { type KeyView, viewKey } from './view.ts';

/** A key with the keys that it minted itself. */
export interface KeyShown extends KeyView {
  readonly childIds: readonly string[];
}

/** @throws NotFound */
export function showKey(authority: Authority, id: string, by: Confined = {}): KeyShown {
  const key = findKey(authority, id, by);
  const childIds = [...everyKey(authority, { parentId: key.id })].map((child) => child.id);
  return { ...viewKey(key, authority.clock.now()), childIds };
}
