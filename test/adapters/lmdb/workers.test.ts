import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/lmdb/store.ts';
import type { Store } from '../../../src/ports/store.ts';
import { dutiesContract } from '../../ports/duties-contract.ts';
import { admitRequest, micros, minute, plainCalendar, steppedClock, testKey, testSigner, testThresholds } from '../../ports/subject.ts';
import { openIn, temporaryFolder } from './open.ts';

let folder: string;
const opened: Store[] = [];
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  for (const store of opened.splice(0).reverse()) await store.close();
  rmSync(folder, { recursive: true });
});

const clock = steppedClock();

async function life(instance: string, gateway?: string): Promise<Store> {
  const store = await openStore({
    ...{ folder, clock, calendar: plainCalendar, signer: testSigner(), instance, serving: true, thresholds: () => testThresholds },
    worker: gateway === undefined ? undefined : { gateway },
  });
  opened.push(store);
  return store;
}

async function end(store: Store): Promise<void> {
  opened.splice(opened.indexOf(store), 1);
  await store.close();
}

describe('processes that serve for one gateway', () => {
  test('serve for the one that has the claim alone', async () => {
    await expect(life('worker', 'gate')).rejects.toThrow('does not serve from this store any more');
    const gate = await life('gate');
    await life('one', 'gate');
    await life('two', 'gate');
    await expect(life('three', 'another')).rejects.toThrow('does not serve from this store any more');
    await expect(life('gate two')).rejects.toThrow(`Another gateway (process ${process.pid}) is serving`);
    await end(gate);
    await expect(life('four', 'gate')).rejects.toThrow('does not serve from this store any more');
  });

  test('holds of those that serve stay; those of one that does no more are captured when another begins', async () => {
    await life('gate');
    const one = await life('one', 'gate');
    const two = await life('two', 'gate');
    const key = testKey('AAAAAAAA', { budgets: [{ amount: micros(100), per: 'total', zone: 'UTC' }] });
    await one.keyring.insert(key, { via: 'cli' });
    await one.ledger.admit(admitRequest(key, { reservationId: 'r1', price: micros(5) }));
    await two.ledger.admit(admitRequest(key, { reservationId: 'r2', price: micros(7) }));
    const usage = async (store: Store) => (await store.ledger.usage({ key, ancestors: [], now: clock.now() }))[0];
    await life('three', 'gate');
    expect(await usage(two)).toMatchObject({ spent: 0, held: 12 });
    await end(one);
    const four = await life('four', 'gate');
    expect(await usage(four)).toMatchObject({ spent: 5, held: 7 });
  });

  // Each of them may have read a moment before another committed: before it was mended, that failed in a third of all runs.
  test('a duty is one of them’s until it lets it go, its time is over, or it serves no more', { repeats: 20 }, async () => {
    await life('gate');
    const one = await life('one', 'gate');
    const two = await life('two', 'gate');
    const held = (store: Store) => store.duties.hold('sweep', minute);
    expect([await held(one), await held(two), await held(one)]).toEqual([true, false, true]);
    await two.duties.release('sweep');
    expect(await held(two)).toBe(false);
    await one.duties.release('sweep');
    expect([await held(two), await held(one)]).toEqual([true, false]);
    clock.step(minute);
    expect([await held(one), await held(two)]).toEqual([true, false]);
    await end(one);
    expect(await held(two)).toBe(true);
    const all = await Promise.all(Array.from({ length: 8 }, () => two.duties.hold('prune', minute)));
    expect(new Set(all)).toEqual(new Set([true]));
  });

  test('an import waits for all of them', async () => {
    const gate = await life('gate');
    await life('one', 'gate');
    const beside = await openIn(folder, { instance: 'cli' });
    opened.push(beside);
    const dump = async () => {
      for await (const _entry of beside.dump()) break;
    };
    await expect(dump()).rejects.toThrow(`process ${process.pid}`);
    await end(gate);
  });
});

dutiesContract('lmdb, one of several processes', async () => {
  const own = temporaryFolder();
  const signer = testSigner();
  const shared = { folder: own, clock, calendar: plainCalendar, signer, serving: true, thresholds: () => testThresholds };
  const gate = await openStore({ ...shared, instance: 'gate' });
  const store = await openStore({ ...shared, instance: 'worker', worker: { gateway: 'gate' } });
  const close = async (): Promise<void> => {
    await store.close();
    await gate.close();
    rmSync(own, { recursive: true });
  };
  return { ...store, clock, publicKeys: signer.publicKeys, close };
});
