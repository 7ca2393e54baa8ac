import { randomUUID } from 'node:crypto';
import { once as event } from 'node:events';
import { type AddressInfo, createServer, connect as dial } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openDeferred } from '../../../src/adapters/deferred-store.ts';
import type { Durability } from '../../../src/adapters/redis/fitness.ts';
import { loadScript } from '../../../src/adapters/redis/scripts.ts';
import { openRedisStore } from '../../../src/adapters/redis/store.ts';
import { createCalendar } from '../../../src/domain/calendar.ts';
import type { Store } from '../../../src/ports/store.ts';
import { minute, steppedClock, testSigner } from '../../ports/subject.ts';
import { startPair } from '../../support/redis-sentinel.ts';
import { startRedis, until } from '../../support/redis-server.ts';

/** Opens a store as a gateway does; without `durability`, one whose commits count once one replica has them. */
async function open(
  url: string,
  durability: Durability = { mode: 'replicated', replicas: 1 },
): Promise<{ store: Store; once: (id: string) => Promise<boolean> }> {
  const clock = steppedClock();
  const { publicKeys, ...signer } = testSigner();
  const log = { note: () => undefined, warn: () => undefined, fault: () => undefined };
  const opened = () =>
    openRedisStore({
      ...{ url, durability, commandTimeoutMs: 1000, archive: undefined, log },
      ...{ clock: { ...clock, now: () => Date.now() }, calendar: createCalendar(), signer, publicKeys: () => publicKeys },
      ...{ instance: randomUUID(), newId: randomUUID, serving: true, thresholds: () => [] },
    });
  const store = await openDeferred({ open: opened, log });
  onTestFinished(() => store.close());
  return { store, once: (id) => store.ledger.useOnce({ id, until: Date.now() + minute }) };
}

test('a gateway that starts before the replica refuses everything until the replica is there, then serves by itself', async () => {
  const master = await startRedis();
  onTestFinished(() => master.stop());
  const { store, once } = await open(master.url);
  expect(store.trouble()).toMatch(/did not hear from 1 replicas/);
  await expect(once('first')).rejects.toThrow('The store is not open');
  const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${master.port}`] });
  onTestFinished(() => replica.stop());
  await until(async () => store.trouble() === undefined, 'the store is open');
  expect(await once('first')).toBe(true);
});

test('A44: a one-time id counts as used up only when the replica has it: after a failover it is used up too', async () => {
  const { master, replica, stop } = await startPair();
  onTestFinished(stop);
  const { store, once } = await open(master.url);
  expect(await once('first')).toBe(true);
  expect(await once('first')).toBe(false);
  expect(store.trouble()).toBeUndefined();
  replica.pause();
  onTestFinished(() => replica.resume());
  await expect(once('second')).rejects.toThrow('did not hear from 1 replicas');
  expect(store.trouble()).toMatch(/did not hear from 1 replicas/);
});

test('a server that goes away while a gateway starts is waited for, as one that was not there', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const { sha } = loadScript('meta-keep');
  let gone = false;
  // A way to the server that breaks at the first script after the checks, and leads nowhere until it is mended.
  const way = createServer((near) => {
    const far = dial(redis.port, '127.0.0.1');
    const end = () => void [near, far].map((socket) => socket.destroy());
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.on('data', (sent: Buffer) => {
      if (sent.includes(sha)) gone = true;
      if (gone) end();
      else far.write(sent);
    });
    far.pipe(near);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void way.close());
  await event(way, 'listening');
  const { store, once } = await open(`redis://127.0.0.1:${(way.address() as AddressInfo).port}`, { mode: 'server', replicas: 1 });
  expect(store.trouble()).toMatch(/is not connected/);
  await expect(once('first')).rejects.toThrow('The store is not open');
  way.removeAllListeners('connection').on('connection', (near) => {
    const far = dial(redis.port, '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
  });
  await until(async () => store.trouble() === undefined, 'the store is open');
  expect(await once('first')).toBe(true);
});

test('a server without memory is waited for, and with memory again the gateway serves by itself (A45)', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  await redis.cli('config', 'set', 'maxmemory', '1');
  const { store, once } = await open(redis.url, { mode: 'server', replicas: 1 });
  expect(store.trouble()).toMatch(/takes no writes now: (?:SET is refused: )?OOM/);
  await expect(once('first')).rejects.toThrow('The store is not open');
  await redis.cli('config', 'set', 'maxmemory', '0');
  await until(async () => store.trouble() === undefined, 'the store is open');
  expect(await once('first')).toBe(true);
});
