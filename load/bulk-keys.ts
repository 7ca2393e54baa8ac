import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openConfigured, openLog, requireConfig } from '../src/compose-store.ts';
import type { Config } from '../src/config/schema.ts';
import { composeKey, digestKey, displayOf, pepperId, randomId } from '../src/domain/credential.ts';
import type { Budget, KeyRecord } from '../src/domain/key.ts';
import type { KeptEntry } from '../src/ports/dump.ts';
import type { Store } from '../src/ports/store.ts';
import type { Place } from '../test/process/served.ts';

/** A key as its holder knows it. */
export interface KnownKey {
  readonly key: string;
  readonly id: string;
}

/** The store of a place opened in this process, as a whole. */
export async function withStore<T>(place: Place, use: (store: Store, config: Config) => Promise<T>): Promise<T> {
  const { config } = await requireConfig({ configFile: place.configFile, env: {}, cwd: place.folder });
  const { store } = await openConfigured(config, { serving: false, log: openLog('error') });
  try {
    return await use(store, config);
  } finally {
    await store.close();
  }
}

/**
 * Gives a place's embedded store `count` keys at once, as an import would, in place of what was in it. They are like those that are minted, without
 * the records of their mints.
 * @returns the first `known` of them
 */
export async function fillKeys(
  place: Place,
  options: { count: number; known: number; scopes: readonly string[]; budgets: readonly Budget[] },
): Promise<KnownKey[]> {
  const { count, known, scopes, budgets } = options;
  // What `keygate init` put there: an import wants a store in which nothing was ever kept.
  for (const name of ['store', 'checkpoints.jsonl']) await rm(join(place.folder, 'var', name), { recursive: true, force: true });
  const kept: KnownKey[] = [];
  await withStore(place, async (store, { keys: { prefix, peppers } }) => {
    const [pepper = ''] = peppers;
    const createdAt = Date.now();
    const compose = (nth: number): KeyRecord => {
      const id = randomId(randomBytes(16));
      const key = composeKey({ prefix, environment: 'live', id, secret: randomBytes(32) });
      if (nth < known) kept.push({ key, id });
      return {
        ...{ id, name: `key ${nth}`, kind: 'agent', environment: 'live', ...displayOf(key), agentId: `agent-${nth}`, parentIds: [] },
        ...{ scopes, budgets, caps: [], upstreams: ['up'], tools: [], addresses: [], createdAt, revision: 1 },
        digests: [{ digest: digestKey(key, pepper), pepperId: pepperId(pepper) }],
      };
    };
    async function* entries(): AsyncGenerator<KeptEntry> {
      for (let nth = 0; nth < count; nth += 1) yield { is: 'key', record: compose(nth) };
    }
    await store.restore({ entries: entries(), check: () => Promise.resolve() });
  });
  return kept;
}
