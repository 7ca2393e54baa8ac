import type { KeyRecord } from '../../domain/key.ts';
import type { Connection } from './connection.ts';
import { digestPointer } from './key-records.ts';
import { elsewhere } from './layout.ts';
import { loadScript } from './scripts.ts';

/**
 * What leads to keys. Pointers stand in slots of their own, so they cannot be written with the record. They are written before it and removed
 * after it: one that leads to nothing is harmless. A pointer that leads elsewhere is never taken over, because its record may be about to be
 * written; ids and secrets are random, so whoever is refused takes others.
 */
export interface KeyClaims {
  /** @param digests  those that the key did not have before. Resolves to false where one of them is another key's */
  digests(digests: readonly string[], owner: Owner): Promise<boolean>;
  /** Points the id to its partition, and lists it. Resolves to false where the id is used in another partition. */
  id(owner: Owner): Promise<boolean>;
  /** Removes pointers of digests that the key has no more. */
  dropDigests(digests: readonly string[]): Promise<void>;
  /** Removes everything that leads to a key that is gone. */
  dropKey(record: KeyRecord): Promise<void>;
}

interface Owner {
  readonly id: string;
  readonly partition: string;
}

export function createKeyClaims({ client, run }: Pick<Connection, 'client' | 'run'>): KeyClaims {
  const scripts = { claim: loadScript('key-claim'), list: loadScript('key-index') };
  // Scripts, because what leads to a key must be kept as well as the key is, and run() sees to that.
  const claim = async (name: string, target: string): Promise<boolean> => (await run(scripts.claim, [name], [target])) === 1;

  const dropDigests = async (digests: readonly string[]): Promise<void> => {
    await Promise.all(digests.map((digest) => client.del(elsewhere.digest(digest))));
  };

  return {
    async digests(digests, owner) {
      const claimed = await Promise.all(digests.map((digest) => claim(elsewhere.digest(digest), digestPointer(owner))));
      return claimed.every(Boolean);
    },
    async id({ id, partition }) {
      const [claimed] = await Promise.all([claim(elsewhere.id(id), partition), run(scripts.list, [elsewhere.index], [id])]);
      return claimed;
    },
    dropDigests,
    async dropKey(record) {
      const digests = record.digests.map(({ digest }) => digest);
      await Promise.all([dropDigests(digests), client.del(elsewhere.id(record.id)), client.zrem(elsewhere.index, record.id)]);
    },
  };
}
