import { holdsSecret, type KeyRecord } from '../../domain/key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Keyring } from '../../ports/keyring.ts';
import type { Connection } from './connection.ts';
import type { Feed } from './feed.ts';
import { createKeyClaims } from './key-claims.ts';
import { insertKey } from './key-insert.ts';
import { listKeys } from './key-list.ts';
import type { KeyRecords } from './key-records.ts';
import { removeKey } from './key-remove.ts';
import { replaceKey } from './key-replace.ts';
import { revokeKey } from './key-revoke.ts';
import type { KeyStore } from './key-write.ts';
import { loadScript } from './scripts.ts';

/**
 * The keyring port on Redis. A record, its revision and the journal entry of its change are one script in the partition of its root; what
 * other processes remember of it is ended by the feed.
 */
export function createKeyring(options: {
  connection: Connection;
  clock: Clock;
  feed: Feed;
  records: KeyRecords;
  nextName: () => string;
}): Keyring {
  const { connection, clock, feed, records, nextName } = options;
  const scripts = { write: loadScript('key-write'), remove: loadScript('key-remove') };
  const claims = createKeyClaims(connection);
  const store: KeyStore = { connection, clock, feed, records, claims, scripts, nextName };
  return {
    byDigest: async (digest) => {
      const key = await records.ofDigest(digest);
      // A secret whose overlap after a rotation has passed is as unknown as one that never was.
      return key && holdsSecret(key.record, { digest, now: clock.now() }) ? key.record : undefined;
    },
    get: async (id): Promise<KeyRecord | undefined> => (await records.read(id))?.record,
    list: (request) => listKeys({ client: connection.client, records }, request),
    epoch: () => feed.epoch(),
    changedAt: (ids) => feed.changedAt(ids),
    onChange: (listener) => feed.onChange(listener),
    acknowledged: (withinMs) => feed.acknowledged(withinMs),
    insert: (record, by) => insertKey(store, { record, by }),
    replace: (request) => replaceKey(store, request),
    remove: (id, request) => removeKey(store, id, request),
    revoke: (id, request) => revokeKey(store, id, request),
  };
}
