import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { prefixOf } from '../../src/adapters/redis/layout.ts';
import { type Reconciled, reconcile } from '../../src/authority/reconcile.ts';
import { rootOf } from '../../src/domain/key.ts';
import type { Store } from '../../src/ports/store.ts';
import { budget, cap } from '../ports/calls.ts';
import { day, micros, minute, plainCalendar, steppedClock } from '../ports/subject.ts';
import { factsOfCall, fill, useOf } from '../support/filled-store.ts';
import { createMovedStores, type MovedStores } from '../support/moved-stores.ts';
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

const url = () => `${server.url}/${databases}`;
const openNew = (kind: 'folder' | 'redis'): Promise<Store> => {
  databases += 1;
  return kind === 'folder' ? stores.folder() : stores.redis(url());
};
const reconciled = (store: Store): Promise<Reconciled> => reconcile({ store, clock: stores.clock, calendar: plainCalendar });
const totalsOnly = [{ what: expect.stringMatching(/^\d+ running totals/), why: expect.any(String) }];

describe.each(['folder', 'redis'] as const)('ledger and journal: %s', (kind) => {
  test('agree after hundreds of calls of every ending, while some run', async () => {
    const store = await openNew(kind);
    const use = await fill(store, stores.clock);
    for (let round = 0; round < 4; round += 1) {
      await use.call(75);
      expect(await reconciled(store)).toMatchObject({ ok: true, differences: [], running: { calls: 0, held: '0' } });
    }
    const running = [
      await use.begin('CHILD000', 1_000, 'write_page'),
      await use.begin('ALONE000', 7, 'get_page'),
      await use.begin('PARENT00', 0),
    ];
    const report = await reconciled(store);
    expect(report).toMatchObject({ ok: true, running: { calls: 3, held: '0.001007' }, notCompared: totalsOnly });
    expect(report.compared).toEqual({ accounts: 2, limits: 13, holds: 3 });
    for (const each of running) if (each) await use.settle(each, each.price);
    stores.clock.step(day);
    await use.call(5);
    expect(await reconciled(store)).toMatchObject({ ok: true, notCompared: totalsOnly });
  });

  test('agree after limits came, went and came again in the middle of their windows', async () => {
    const store = await openNew(kind);
    const use = await fill(store, stores.clock);
    const spend = async (keyId: string, price: number): Promise<void> => {
      const running = await use.begin(keyId, price, 'get_page');
      if (running) await use.settle(running, price - 1);
    };
    await spend('ALONE000', 100);
    await use.limit('ALONE000', { caps: [cap(9, 'day')] });
    await spend('ALONE000', 50);
    await use.limit('ALONE000', { budgets: [], caps: [] });
    await spend('ALONE000', 30);
    await use.limit('ALONE000', {
      budgets: [budget(900_000, 'day')],
      caps: [cap(9, 'day'), cap(5, 'total', { tool: 'get_*', soft: true })],
    });
    await spend('ALONE000', 11);
    const limits = { budgets: [budget(5, 'day', { soft: true })], caps: [] };
    const by = { kind: 'account.limited', via: 'cli', budgets: ['0.000005/day@UTC:soft'], caps: [] } as const;
    await store.ledger.limitAccount({ id: 'poor:1', ...limits, now: stores.clock.now(), by });
    await spend('POORKEY0', 10);
    const usage = await store.ledger.usage({ key: use.keys.get('ALONE000') as never, ancestors: [], now: stores.clock.now() });
    expect(usage.slice(0, 3).map(({ spent }) => spent)).toEqual([2, 1, 99 + 49 + 10]);
    expect(await reconciled(store)).toMatchObject({ ok: true, differences: [], notCompared: totalsOnly });
  });

  test('agree after pruning, as far as can be said, and it is said how far', async () => {
    const store = await openNew(kind);
    const use = await fill(store, stores.clock);
    await use.call(20);
    await store.journal.checkpoint(stores.clock.now());
    stores.clock.step(day);
    const before = stores.clock.now();
    await use.call(20);
    expect(await store.journal.prune({ before, now: stores.clock.now() })).toBeGreaterThan(0);
    const report = await reconciled(store);
    expect(report).toMatchObject({ ok: true, differences: [] });
    const names = report.notCompared.filter(({ why }) => why.includes('pruned')).map(({ what }) => what);
    expect(names).toEqual(
      expect.arrayContaining(['account acme', 'key:PARENT00 budget total', 'key:PARENT00 uses', 'key:ALONE000 budget day']),
    );
    const by = { kind: 'account.adjusted', account: 'acme', via: 'cli', reason: 'a new beginning' } as const;
    await store.ledger.adjust({ accountId: 'acme', amount: 1, reference: 'base', now: stores.clock.now(), by });
    await use.call(20);
    const again = await reconciled(store);
    expect(again).toMatchObject({ ok: true, differences: [] });
    expect(again.notCompared.map(({ what }) => what)).not.toContain('account acme');
  });

  test('agree after a move', async () => {
    const store = await openNew(kind);
    const use = await fill(store, stores.clock);
    await use.call(40);
    const next = await openNew(kind === 'folder' ? 'redis' : 'folder');
    await stores.imported(next, await stores.exported(store));
    await useOf(next, stores.clock, new Map(use.keys), 3).call(40);
    expect(await reconciled(next)).toMatchObject({ ok: true, differences: [] });
  });

  test('a call that has an intent and no hold is named', async () => {
    const store = await openNew(kind);
    await fill(store, stores.clock);
    const facts = { kind: 'call.intent', keyId: 'ALONE000', environment: 'live', method: 'tools/call', held: '0.5' } as const;
    await store.ledger.record({ ...facts, decision: 'allowed', reservationId: 'made-up' });
    const report = await reconciled(store);
    expect(report).toMatchObject({ ok: false });
    expect(report.differences).toEqual([
      { what: 'key:ALONE000 budget day held', ledger: '0', journal: '0.5', difference: '-0.5' },
      { what: 'call made-up running', ledger: 0, journal: 1, difference: -1 },
    ]);
  });

  test('what is in use all the time is named, and not called wrong', async () => {
    const store = await openNew(kind);
    const use = await fill(store, stores.clock);
    await use.call(10);
    const busy: Store = {
      ...store,
      async *dump(options) {
        for await (const entry of store.dump(options)) {
          yield entry;
          if (entry.is === 'account' && entry.account.id === 'acme') {
            const running = await use.begin('PARENT00', 100, 'get_page');
            if (running) await use.settle(running, 50);
          }
        }
      },
    };
    const report = await reconciled(busy);
    expect(report).toMatchObject({ ok: true, differences: [] });
    expect(report.notCompared).toContainEqual({ what: 'account acme', why: 'it was in use all the time' });
    expect(report.notCompared.map(({ what }) => what)).not.toContain('account poor:1');
    expect(await reconciled(store)).toMatchObject({ ok: true, notCompared: totalsOnly });
  });
});

test('agree while leases are open, and after they were given back', async () => {
  const store = await openNew('redis');
  const use = await fill(store, stores.clock);
  const key = use.keys.get('PARENT00');
  if (!key) throw new Error('no key');
  const lease = { calls: 20, ms: 50_000 };
  const admit = async (id: string): Promise<void> => {
    const facts = factsOfCall(key, 'get_page');
    const taken = { root: rootOf(key), reservationId: id, key, ancestors: [], counts: true, tool: 'get_page', price: micros(1_000) };
    const now = stores.clock.now();
    const answer = await store.ledger.admit({ ...taken, now, holdUntil: now + minute, lease, intent: { kind: 'call.intent', ...facts } });
    expect(answer.kind).toBe('admitted');
  };
  const settle = (id: string, charge: number): Promise<void> =>
    use.settle({ key, id, price: 1_000, facts: factsOfCall(key, 'get_page') }, charge);
  for (const id of ['a', 'b', 'c', 'd']) await admit(id);
  await settle('b', 300);
  await settle('c', 1_000);
  const leases = new Redis(url());
  expect(await leases.keys('*:leases')).toHaveLength(1);
  leases.disconnect();
  expect(await reconciled(store)).toMatchObject({ ok: true, differences: [], running: { calls: 2, held: '0.002' }, notCompared: [] });
  await settle('d', 1);
  const next = await stores.redis(url());
  await store.close();
  expect(await reconciled(next)).toMatchObject({ ok: true, differences: [], running: { calls: 1 } });
  await expect(stores.exported(next)).rejects.toThrow('1 calls or leases of gateways that ended are still held');
});

test('A44: in Redis, a counter and a balance that were changed by hand are found', async () => {
  const store = await openNew('redis');
  const use = await fill(store, stores.clock);
  await use.call(30);
  const redis = new Redis(url());
  const [account] = await redis.keys('kg:*}:account:acme');
  const counters = `${prefixOf(/\{(.*)\}/.exec(account ?? '')?.[1] ?? '')}count:PARENT00`;
  await redis.hincrby(account ?? '', 'balance', 2_000_000);
  const [start, spent, held, ...rest] = JSON.parse((await redis.hget(counters, 'micros day UTC')) ?? '') as number[];
  await redis.hset(counters, 'micros day UTC', JSON.stringify([start, (spent ?? 0) - 3, held, ...rest]));
  await redis.hdel(counters, 'uses');
  redis.disconnect();
  const { ok, differences } = await reconciled(store);
  expect(ok).toBe(false);
  expect(differences.map(({ what, difference }) => [what, difference])).toEqual([
    ['account acme balance', '2'],
    ['key:PARENT00 uses spent', expect.any(Number)],
    ['key:PARENT00 budget day spent', '-0.000003'],
  ]);
});

test('in the embedded store, a counter and a balance that were changed by hand are found', async () => {
  const folder = stores.newFolder();
  const store = await stores.folder({ folder });
  const use = await fill(store, stores.clock);
  await use.call(30);
  await store.close();
  const { open } = await import('lmdb');
  const root = open({ path: `${folder}/store`, maxDbs: 24 });
  const accounts = root.openDB<{ balance: number }, string>({ name: 'accounts', encoding: 'json' });
  const counters = root.openDB<Record<string, { spent: number }[]>, string>({ name: 'counters', encoding: 'json' });
  const account = accounts.get('acme');
  await accounts.put('acme', { ...account, balance: (account?.balance ?? 0) - 1 });
  const book = counters.get('account:acme') ?? {};
  const [window, ...windows] = book['micros day UTC'] ?? [];
  await counters.put('account:acme', { ...book, 'micros day UTC': [{ ...window, spent: (window?.spent ?? 0) + 1 }, ...windows] });
  await root.close();
  const { ok, differences } = await reconciled(await stores.folder({ folder }));
  expect(ok).toBe(false);
  expect(differences.map(({ what, difference }) => [what, difference])).toEqual([
    ['account acme balance', '-0.000001'],
    ['account:acme budget day spent', '0.000001'],
  ]);
});

test('a late outcome of a call whose hold expired corrects what is expected', async () => {
  const store = await openNew('folder');
  const use = await fill(store, stores.clock);
  const running = await use.begin('PARENT00', 500, 'get_page');
  stores.clock.step(3 * minute);
  await store.ledger.sweep({ now: stores.clock.now() });
  expect(await reconciled(store)).toMatchObject({ ok: true });
  if (running) await use.settle(running, 200);
  expect(await reconciled(store)).toMatchObject({ ok: true });
  const by = { kind: 'account.credited', account: 'acme', via: 'cli' } as const;
  await store.ledger.credit({ accountId: 'acme', amount: micros(7), reference: 'late', now: stores.clock.now(), by });
  expect(await reconciled(store)).toMatchObject({ ok: true });
});
