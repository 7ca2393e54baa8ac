import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { JournalLine } from '../../src/ports/journal.ts';
import type { Store } from '../../src/ports/store.ts';
import { day, hour, recordsOf, steppedClock } from '../ports/subject.ts';
import { fill, type Use, useOf } from '../support/filled-store.ts';
import { createMovedStores, type MovedStores } from '../support/moved-stores.ts';
import { startRedisCluster } from '../support/redis-cluster.ts';
import { startRedis, type TestRedis } from '../support/redis-server.ts';

let server: TestRedis;
let stores: MovedStores;
let databases = 0;
beforeAll(async () => {
  server = await startRedis({ args: ['--databases', '100'] });
});
afterAll(() => server.stop());
beforeEach(() => {
  stores = createMovedStores(steppedClock());
});
afterEach(() => stores.close());

/** A new store of a kind, in which nothing was ever kept. */
const openNew = (kind: 'folder' | 'redis'): Promise<Store> => {
  databases += 1;
  return kind === 'folder' ? stores.folder() : stores.redis(`${server.url}/${databases}`);
};

/** Everything that can be asked of a store through its ports, as far as stores keep it alike. */
async function stateOf(store: Store, { keys }: Use): Promise<unknown> {
  const now = stores.clock.now();
  const listed = await store.keyring.list({ filter: {}, limit: 100 });
  const usage = [...keys.values()].map((key) => store.ledger.usage({ key, ancestors: [], now }));
  return {
    keys: listed.keys,
    usage: await Promise.all(usage),
    accounts: await Promise.all(['acme', 'poor:1'].map((id) => store.ledger.account(id))),
    factor: await store.factors.get('PARENT00'),
    replays: await Promise.all(['running', 'answered'].map((id) => store.replays.begin({ id, bodyHash: 'b', now }))),
    progress: await store.duties.progress('webhook abc'),
    lines: hashOf(await everyLine(store)),
  };
}

/** All that is committed, with positions. */
async function everyLine({ journal }: Store): Promise<JournalLine[]> {
  await journal.head();
  return journal.read({ after: 0, limit: 1_000_000 });
}

function hashOf(lines: readonly JournalLine[]): string {
  return `${lines.length} lines ${createHash('sha256').update(JSON.stringify(lines)).digest('hex')}`;
}

const move = async (from: Store, into: Store): Promise<void> => {
  await stores.imported(into, await stores.exported(from));
};

describe.each([
  ['folder', 'redis', 'folder'],
  ['redis', 'folder', 'redis'],
  ['folder', 'folder', 'redis'],
  ['redis', 'redis', 'folder'],
] as const)('a store moves from %s to %s to %s', (first, second, third) => {
  test('and stays what it is, whatever goes on in between', async () => {
    let store = await openNew(first);
    let use = await fill(store, stores.clock);
    await use.call(60);
    for (const kind of [second, third]) {
      const before = await stateOf(store, use);
      const next = await openNew(kind);
      await move(store, next);
      expect(await stateOf(next, use)).toEqual(before);
      expect(await stores.verified(next)).toMatchObject({ ok: true, faults: [] });
      // The old one is left as it is.
      expect(await stores.verified(store)).toMatchObject({ ok: true });
      await store.close();
      store = next;
      use = useOf(store, stores.clock, new Map(use.keys), 7);
      await use.call(40);
      expect(await stores.verified(store)).toMatchObject({ ok: true, faults: [] });
    }
    const positions = (await everyLine(store)).map(({ position }) => position);
    expect(positions).toEqual(positions.map((_, at) => at + 1));
  });

  test('with references, one-time ids and digests that still count', async () => {
    const store = await openNew(first);
    const use = await fill(store, stores.clock);
    const next = await openNew(second);
    await move(store, next);
    const last = await openNew(third);
    await move(next, last);
    const by = { kind: 'account.credited', via: 'cli' } as const;
    const credit = (amount: number) =>
      last.ledger.credit({ accountId: 'acme', amount: amount as never, reference: 'payment 1', now: stores.clock.now(), by });
    expect(await credit(9_000_000)).toMatchObject({ replayed: true });
    await expect(credit(8_000_000)).rejects.toThrow('The reference was used before, for 9');
    expect(await last.ledger.useOnce({ id: 'answered', until: stores.clock.now() + hour })).toBe(false);
    for (const key of use.keys.values()) {
      const found = await last.keyring.byDigest(key.digests[0]?.digest ?? '');
      expect(found?.id).toBe(key.id === 'DELETED0' ? undefined : key.id);
    }
    await expect(last.fingerprint('pepper', 'another')).rejects.toThrow('pepper');
  });
});

describe.each([
  ['folder', 'redis', 'folder'],
  ['redis', 'folder', 'redis'],
  ['folder', 'folder', 'redis'],
  ['redis', 'redis', 'folder'],
] as const)('a store moves from %s to %s to %s', (first, second, third) => {
  test('after pruning, and is pruned after it', async () => {
    const { clock } = stores;
    let store = await openNew(first);
    let use = await fill(store, clock);
    await use.call(20);
    for (const kind of [second, third]) {
      // In Redis whole segments are pruned, so what is to go is sealed apart.
      await store.journal.checkpoint(clock.now());
      clock.step(day);
      const before = clock.now();
      await use.call(5);
      await store.journal.checkpoint(clock.now());
      expect(await store.journal.prune({ before, now: clock.now() })).toBeGreaterThan(0);
      expect(await stores.verified(store)).toMatchObject({ ok: true, faults: [] });
      const lines = await everyLine(store);
      expect(lines[0]?.position).toBeGreaterThan(1);
      const next = await openNew(kind);
      await move(store, next);
      expect(hashOf(await everyLine(next))).toEqual(hashOf(lines));
      expect(await stores.verified(next)).toMatchObject({ ok: true, faults: [] });
      store = next;
      use = useOf(store, clock, new Map(use.keys), 9);
    }
    await store.journal.checkpoint(clock.now());
    clock.step(day);
    await use.call(5);
    await store.journal.checkpoint(clock.now());
    expect(await store.journal.prune({ before: clock.now() + 1, now: clock.now() + 1 })).toBeGreaterThan(0);
    expect(await stores.verified(store)).toMatchObject({ ok: true, faults: [] });
    await use.call(5);
    expect(await stores.verified(store)).toMatchObject({ ok: true, faults: [] });
    const kinds = new Set((await recordsOf(store.journal)).map(({ kind }) => kind));
    expect(kinds).toContain('journal.pruned');
  });
});

test('a store moves into a cluster and back', async () => {
  const cluster = await startRedisCluster({ nodes: 3 });
  try {
    const store = await openNew('folder');
    const use = await fill(store, stores.clock);
    await use.call(20);
    const before = await stateOf(store, use);
    const inCluster = await stores.redis(cluster.url);
    await move(store, inCluster);
    expect(await stateOf(inCluster, use)).toEqual(before);
    const moving = { to: cluster.nodes[0] as TestRedis };
    const slot = (await cluster.owner(16_000)) === moving.to ? 0 : 16_000;
    const during = async () => {
      await expect(stores.exported(inCluster)).rejects.toThrow('Slots of the Redis cluster are being moved');
    };
    await cluster.moveSlot(slot, { ...moving, during });
    await useOf(inCluster, stores.clock, new Map(use.keys), 5).call(20);
    const after = await stateOf(inCluster, use);
    const back = await openNew('folder');
    await move(inCluster, back);
    expect(await stateOf(back, use)).toEqual(after);
    expect(await stores.verified(back)).toMatchObject({ ok: true, faults: [] });
    await inCluster.close();
  } finally {
    await cluster.stop();
  }
});
