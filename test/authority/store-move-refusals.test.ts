import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { importStore } from '../../src/authority/store-import.ts';
import type { Store } from '../../src/ports/store.ts';
import { memoryArchive } from '../adapters/redis/journal-life.ts';
import { minute, steppedClock, testKey, testSigner } from '../ports/subject.ts';
import { fill } from '../support/filled-store.ts';
import { createMovedStores, type MovedStores, streamed } from '../support/moved-stores.ts';
import { startRedis, type TestRedis } from '../support/redis-server.ts';

let server: TestRedis;
let stores: MovedStores;
let databases = 0;
beforeAll(async () => {
  server = await startRedis({ args: ['--databases', '200'] });
});
afterAll(() => server.stop());
beforeEach(() => {
  stores = createMovedStores(steppedClock());
  databases += 1;
});
afterEach(() => stores.close());

const url = () => `${server.url}/${databases}`;
const filled = async (): Promise<string[]> => {
  const store = await stores.folder();
  const use = await fill(store, stores.clock);
  await use.call(10);
  return stores.exported(store);
};
/** The lines from one that begins like this on, and how many come before. */
const at = (lines: readonly string[], begin: string): number => lines.findIndex((line) => line.startsWith(begin));

/** Opens the same place again and again, and empties it as the message says. */
const places = {
  folder: () => {
    const folder = stores.newFolder();
    return {
      open: (serving = false) => stores.folder({ folder, serving }),
      empty: async () => {
        rmSync(`${folder}/store`, { recursive: true });
        rmSync(`${folder}/checkpoints.jsonl`);
      },
    };
  },
  redis: () => {
    const redis = new Redis(url(), { lazyConnect: true });
    return {
      open: (serving = false) => stores.redis(url(), { serving }),
      empty: async () => {
        await redis.flushdb();
        redis.disconnect();
      },
    };
  },
};

describe.each(['folder', 'redis'] as const)('moving a store: %s', (kind) => {
  test('nothing is exported or imported while a gateway serves', async () => {
    const lines = await filled();
    const place = places[kind]();
    const gateway = await place.open(true);
    const beside = await place.open();
    await expect(stores.exported(beside)).rejects.toThrow(/serv/);
    await expect(stores.imported(beside, lines)).rejects.toThrow(/serv/);
    await gateway.close();
    expect(JSON.parse((await stores.exported(beside)).at(-1) ?? '')).toMatchObject({ dump: { counts: { key: 0 } } });
  });

  test('running calls are waited for: their holds expire, and then the export ends them itself', async () => {
    const store = await places[kind]().open();
    const use = await fill(store, stores.clock);
    await use.begin('ALONE000', 5, 'get_page');
    await expect(stores.exported(store)).rejects.toThrow('holdMsMax');
    stores.clock.step(3 * minute);
    expect((await stores.exported(store)).some((line) => line.includes('hold-expired'))).toBe(true);
  });

  test('a target that holds anything is refused, and stays as it is', async () => {
    const lines = await filled();
    const store = await places[kind]().open();
    await store.keyring.insert(testKey('STANDING'), { via: 'cli' });
    await expect(stores.imported(store, lines)).rejects.toThrow('The store is not empty');
    const { keys } = await store.keyring.list({ filter: {}, limit: 10 });
    expect(keys.map(({ id }) => id)).toEqual(['STANDING']);
    await store.keyring.remove('STANDING', { reason: 'x', at: stores.clock.now(), by: { via: 'cli' } });
    await expect(stores.imported(store, lines)).rejects.toThrow('The store is not empty');
  });

  test('a target of another pepper is refused before anything is written', async () => {
    const lines = await filled();
    const place = places[kind]();
    const store = await place.open();
    await store.fingerprint('pepper', 'another');
    await expect(stores.imported(store, lines)).rejects.toThrow(
      'The pepper configured is not the one that the exported store was made with',
    );
    expect(await (await place.open(true)).keyring.get('PARENT00')).toBeUndefined();
  });

  test.each(['{"is":"key"', '{"is":"counters"', '{"is":"line"', '{"is":"checkpoint"'])(
    'an import that is broken off at %s leaves a store that nobody can open, and can be begun again once it was emptied',
    async (begin) => {
      const lines = await filled();
      const place = places[kind]();
      const store = await place.open();
      const cut = lines.slice(0, at(lines, begin) + 2);
      let passes = 0;
      async function* breaking(): AsyncGenerator<string> {
        passes += 1;
        yield* passes === 1 ? lines : cut;
        if (passes > 1) throw new Error('the disk is gone');
      }
      const options = { store, lines: breaking, publicKeys: stores.signer.publicKeys };
      await expect(importStore(options)).rejects.toThrow('the disk is gone');
      await store.close();
      await expect(place.open()).rejects.toThrow(/An import into this store .* import again/);
      await expect(place.open(true)).rejects.toThrow('An import into this store');
      await place.empty();
      const again = await place.open();
      await stores.imported(again, lines);
      expect(await stores.verified(again)).toMatchObject({ ok: true });
      await (await place.open(true)).close();
    },
  );

  test('a gateway that was open before the import began does not get to serve', async () => {
    const lines = await filled();
    const place = places[kind]();
    const store = await place.open();
    const gateway = await place.open();
    let claimed: unknown;
    async function* claiming(): AsyncGenerator<string> {
      for (const line of lines) {
        yield line;
        if (line.startsWith('{"is":"account"')) claimed = await gateway.claimGateway().catch((error: unknown) => error);
      }
    }
    let passes = 0;
    const both = () => {
      passes += 1;
      return passes === 1 ? streamed(lines) : claiming();
    };
    await importStore({ store, lines: both, publicKeys: stores.signer.publicKeys }).catch(() => undefined);
    expect(String(claimed)).toContain('An import into this store');
  });

  test('what the store gives back must be what the file holds', async () => {
    const lines = await filled();
    const place = places[kind]();
    const store = await place.open();
    const forgetful: Store = {
      ...store,
      restore: ({ entries, check }) =>
        store.restore({
          check,
          entries: (async function* () {
            for await (const entry of entries) {
              yield entry.is === 'account' && entry.account.id === 'acme' ? { ...entry, account: { ...entry.account, balance: 1 } } : entry;
            }
          })(),
        }),
    };
    await expect(stores.imported(forgetful, lines)).rejects.toThrow(/other contents of kind account; balances of \d+, not \d+/);
    await store.close();
    await expect(place.open()).rejects.toThrow('An import into this store');
  });
});

describe('a file that cannot be believed', () => {
  const refused = async (lines: readonly string[], text: string | RegExp): Promise<void> => {
    const folder = stores.newFolder();
    await expect(stores.imported(await stores.folder({ folder }), lines)).rejects.toThrow(text);
    // Nothing was written.
    const store = await stores.folder({ folder, serving: true });
    expect((await store.keyring.list({ filter: {}, limit: 1 })).keys).toEqual([]);
  };
  const changed = (lines: readonly string[], begin: string, change: (line: string) => string): string[] =>
    lines.map((line, place) => (place === at(lines, begin) ? change(line) : line));

  test('is refused before anything is written', async () => {
    const lines = await filled();
    const last = lines.length - 1;
    await refused(
      changed(lines, '{"is":"account"', (line) => line.replace(/"balance":\d+/, '"balance":1')),
      'its text is not the one that was signed',
    );
    await refused(lines.toSpliced(at(lines, '{"is":"reference"'), 1), 'its text is not the one that was signed');
    await refused(lines.slice(0, -1), 'has no last line that says what it holds');
    await refused(lines.slice(0, -20), 'has no last line that says what it holds');
    await refused(lines.slice(0, 1), 'has no last line');
    await refused([], 'has no last line');
    await refused(lines.toSpliced(last, 1, (lines[last] ?? '').replace(/"balances":"\d+"/, '"balances":"1"')), 'its signature is wrong');
    await refused(['{"keygate":"store","v":2}', ...lines.slice(1)], 'not an export that this build can read');
    await refused(lines.toSpliced(3, 0, '{"is":"something"}'), 'not an export that this build can read');
    await refused(lines.toSpliced(3, 0, '{"is":'), 'not an export that this build can read');
  });

  test('is refused where other keys signed it', async () => {
    const lines = await filled();
    const store = await stores.folder();
    const { publicKeys } = testSigner();
    await expect(importStore({ store, lines: () => streamed(lines), publicKeys })).rejects.toThrow('its signature is wrong');
    await expect(importStore({ store, lines: () => streamed(lines), publicKeys: new Map() })).rejects.toThrow('unknown key');
  });

  test('is refused where its journal does not verify, however well it is signed', async () => {
    const store = await stores.folder();
    const use = await fill(store, stores.clock);
    await use.call(3);
    const forged: Store = {
      ...store,
      journal: {
        ...store.journal,
        read: async (options) =>
          (await store.journal.read(options)).map((line) => ({ ...line, text: line.text.replace('"amount":"9"', '"amount":"8"') })),
      },
    };
    await refused(await stores.exported(forged), /The journal in the file does not verify: main \d+: the record was changed/);
  });

  test('is refused where it changes between being checked and being read', async () => {
    const lines = await filled();
    let passes = 0;
    const both = () => {
      passes += 1;
      return streamed(passes === 1 ? lines : changed(lines, '{"is":"account"', (line) => line.replace(/"balance":\d+/, '"balance":1')));
    };
    const store = await stores.folder();
    await expect(importStore({ store, lines: both, publicKeys: stores.signer.publicKeys })).rejects.toThrow(
      'was changed while it was imported',
    );
  });
});

test('a store that changes while it is exported is not exported', async () => {
  const store = await stores.folder();
  await fill(store, stores.clock);
  const changing: Store = {
    ...store,
    async *dump(options) {
      yield* store.dump(options);
      await store.keyring.insert(testKey('LATE0000'), { via: 'cli' });
    },
  };
  await expect(stores.exported(changing)).rejects.toThrow('The store was changed while it was exported');
});

test('what the store holds for no running call is not moved along', async () => {
  const store = await stores.redis(url());
  await fill(store, stores.clock);
  const redis = new Redis(url());
  const [account = ''] = await redis.keys('kg:*}:account:acme');
  await redis.hset(account, 'held', 7);
  await expect(stores.exported(store)).rejects.toThrow('Account acme holds 0.000007, although no call is running');
  await redis.hset(account, 'held', 0);
  await redis.set('kg:{p1}:novelty:1', 'x');
  await expect(stores.exported(store)).rejects.toThrow('"kg:{p1}:novelty:1", which this build does not know');
  redis.disconnect();
});

test('an archive of another store is refused', async () => {
  const lines = await filled();
  const archive = memoryArchive();
  await archive.put({ series: 'segments', number: 1 }, 'another');
  const store = await stores.redis(url(), { archive });
  await expect(stores.imported(store, lines)).rejects.toThrow('the test archive holds a journal');
  await archive.remove({ series: 'segments', number: 1 });
  await stores.imported(store, lines);
  expect([...archive.texts.keys()]).toEqual(['segments 1']);
  expect(await stores.verified(store)).toMatchObject({ ok: true, faults: [] });
  await store.ledger.record({ kind: 'call.refused' });
  expect(await stores.verified(store)).toMatchObject({ ok: true, faults: [] });
});

test('no line holds a secret, but digests and what is sealed', async () => {
  const lines = await filled();
  expect(lines.some((line) => line.includes('"digest":'))).toBe(true);
  expect(lines.join('\n')).not.toMatch(/secret of|kg_live_[A-Za-z0-9]{8}_/);
});
