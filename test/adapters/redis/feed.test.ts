import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { elsewhere } from '../../../src/adapters/redis/layout.ts';
import { start, testKey } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { dyingAt, type Life, openLife } from './life.ts';

const by = { via: 'cli' } as const;
const revocation = { reason: 'leaked', at: start, by };
const soon = { timeout: 5000, interval: 2 };

let server: TestRedis;
let lives: Life[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));
afterEach(async () => {
  await Promise.all(lives.map((life) => life.close()));
  lives = [];
});

const life = async (name: string, options: Partial<Parameters<typeof openLife>[1]> = {}): Promise<Life> => {
  const opened = await openLife(server.url, { name, as: 'gateway', ...options });
  lives.push(opened);
  return opened;
};

/** What a life was told, in order. */
const toldTo = ({ keyring }: Life): (readonly string[] | 'all')[] => {
  const told: (readonly string[] | 'all')[] = [];
  keyring.onChange(async (changed) => void told.push(changed));
  return told;
};

/** Whether what the life read when its epoch was this may still be used. */
const isGood = ({ keyring }: Life, id: string, readAt: number): boolean => keyring.changedAt([id]) <= readAt;

describe('what another process changed', () => {
  test('ends what was read of that key, and of no other; listeners are told', async () => {
    const [writer, reader] = [await life('writer'), await life('reader')];
    await writer.keyring.insert(testKey('AAAAAAAA'), by);
    await writer.keyring.insert(testKey('BBBBBBBB'), by);
    const told = toldTo(reader);
    await expect
      .poll(() => Number.isFinite(reader.keyring.changedAt(['BBBBBBBB'])) && reader.keyring.changedAt(['BBBBBBBB']), soon)
      .toBe(2);
    const readAt = reader.keyring.epoch();
    await writer.keyring.revoke('AAAAAAAA', revocation);
    await expect.poll(() => told.flat(), soon).toContain('AAAAAAAA');
    expect(isGood(reader, 'AAAAAAAA', readAt)).toBe(false);
    expect(isGood(reader, 'BBBBBBBB', readAt)).toBe(true);
    expect(isGood(reader, 'AAAAAAAA', reader.keyring.epoch())).toBe(true);
    expect(reader.keyring.changedAt(['AAAAAAAA', 'BBBBBBBB'])).toBe(reader.keyring.epoch());
    expect(told).not.toContain('all');
  });

  test('ends what the writer itself read before its promise resolves', async () => {
    const writer = await life('writer');
    await writer.keyring.insert(testKey('AAAAAAAA'), by);
    const readAt = writer.keyring.epoch();
    expect(isGood(writer, 'AAAAAAAA', readAt)).toBe(true);
    await writer.keyring.revoke('AAAAAAAA', revocation);
    expect(isGood(writer, 'AAAAAAAA', readAt)).toBe(false);
    expect(isGood(writer, 'AAAAAAAA', writer.keyring.epoch())).toBe(true);
  });

  test('a process that never listened has to read anew each time, and one that begins hears of changes under way', async () => {
    const writer = await life('writer', { wrap: dyingAt((script) => script === 'key-write') });
    await (await life('other')).keyring.insert(testKey('AAAAAAAA'), by);
    await expect(writer.keyring.revoke('AAAAAAAA', revocation)).rejects.toThrow('died');
    const command = await life('command', { as: 'command' });
    expect(command.keyring.changedAt(['BBBBBBBB'])).toBe(Number.POSITIVE_INFINITY);
    const late = await life('late');
    expect(late.keyring.changedAt(['AAAAAAAA'])).toBe(Number.POSITIVE_INFINITY);
    expect(late.keyring.changedAt(['BBBBBBBB'])).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

describe('a writer that dies', () => {
  test.each([
    ['between its announcement and the commit', (script: string) => script === 'key-write', false],
    [
      'between the commit and its second announcement',
      (script: string, args: readonly string[]) => script === 'feed-add' && args.includes('done'),
      true,
    ],
  ])('%s costs 15 seconds of remembering, and nothing else', async (_when, dies, revoked) => {
    const reader = await life('reader');
    await reader.keyring.insert(testKey('AAAAAAAA'), by);
    const told = toldTo(reader);
    const readAt = reader.keyring.epoch();
    const writer = await life('writer', { wrap: dyingAt(dies) });
    await writer.keyring.revoke('AAAAAAAA', revocation).catch(() => undefined);
    await expect.poll(() => reader.keyring.changedAt(['AAAAAAAA']), soon).toBe(Number.POSITIVE_INFINITY);
    expect((await reader.keyring.get('AAAAAAAA'))?.revokedAt !== undefined).toBe(revoked);
    reader.clock.step(4000);
    expect(reader.keyring.changedAt(['AAAAAAAA'])).toBe(Number.POSITIVE_INFINITY);
    reader.clock.step(11_000);
    await expect.poll(() => reader.keyring.changedAt(['AAAAAAAA']), soon).toBeLessThan(Number.POSITIVE_INFINITY);
    expect(reader.keyring.changedAt(['AAAAAAAA'])).toBeGreaterThan(readAt);
    await expect.poll(() => told.flat(), soon).toContain('AAAAAAAA');
  });

  test('says what it could not say as soon as it can', async () => {
    let silenced = true;
    const writer = await life('writer', { wrap: dyingAt((script, args) => silenced && script === 'feed-add' && args.includes('done')) });
    const reader = await life('reader');
    await writer.keyring.insert(testKey('AAAAAAAA'), by);
    await writer.keyring.revoke('AAAAAAAA', revocation);
    expect((await reader.keyring.get('AAAAAAAA'))?.revokedAt).toBe(start);
    await expect(writer.keyring.acknowledged(20)).rejects.toThrow('The change is made');
    silenced = false;
    expect(await writer.keyring.acknowledged(5000)).toEqual({ acknowledged: ['reader', 'writer'], pending: [] });
    expect(reader.keyring.changedAt(['AAAAAAAA'])).toBe(reader.keyring.epoch());
  });
});

describe('a feed that was cut', () => {
  /** A listener whose next questions wait while the gate is shut. */
  const gated = async (name: string) => {
    let gate = Promise.resolve();
    let open: () => void = () => undefined;
    const listener = await life(name, {
      wrap: (connection) => ({
        ...connection,
        dedicated: () => {
          const client = connection.dedicated();
          const xread = client.xread.bind(client) as (...args: unknown[]) => Promise<unknown>;
          const waiting = async (...args: unknown[]) => {
            await gate;
            return xread(...args);
          };
          return Object.assign(client, { xread: waiting });
        },
      }),
    });
    const shut = () => {
      gate = new Promise((resolve) => {
        open = () => resolve();
      });
    };
    return { listener, shut, open: () => open() };
  };

  test('entries that were trimmed before they were read make everything stale', async () => {
    const { listener, shut, open } = await gated('listener');
    const writer = await life('writer', { as: 'command' });
    const told = toldTo(listener);
    const [readAt] = [listener.keyring.epoch()];
    shut();
    // The question that is under way is answered with the first of these.
    for (let n = 0; n < 5; n += 1) await writer.keyring.insert(testKey(`KEY0000${n}`), by);
    await expect.poll(() => told.flat(), soon).toContain('KEY00000');
    await server.cli('XTRIM', elsewhere.changes, 'MAXLEN', '1');
    open();
    await expect.poll(() => told, soon).toContain('all');
    expect(isGood(listener, 'SOMEKEY0', readAt)).toBe(false);
    await expect.poll(() => isGood(listener, 'SOMEKEY0', listener.keyring.epoch()), soon).toBe(true);
    // It hears on.
    await writer.keyring.insert(testKey('KEYAFTER'), by);
    await expect.poll(() => told.flat(), soon).toContain('KEYAFTER');
  });

  test('a store that lost everything makes everything stale, and is heard on', async () => {
    const [listener, writer] = [await life('listener'), await life('writer')];
    await writer.keyring.insert(testKey('AAAAAAAA'), by);
    const told = toldTo(listener);
    await expect.poll(() => listener.keyring.changedAt(['AAAAAAAA']), soon).toBe(1);
    await server.cli('FLUSHALL');
    await expect.poll(() => told, soon).toContain('all');
    expect(isGood(listener, 'AAAAAAAA', 1)).toBe(false);
    await writer.keyring.insert(testKey('AAAAAAAA'), by);
    await expect.poll(() => told.flat(), soon).toContain('AAAAAAAA');
    expect(await writer.keyring.acknowledged(5000)).toEqual({ acknowledged: ['listener', 'writer'], pending: [] });
  });

  test('a feed that went back to an older state makes everything stale', async () => {
    const listener = await life('listener');
    const told = toldTo(listener);
    await listener.keyring.insert(testKey('AAAAAAAA'), by);
    const [last] = await listener.connection.client.xrevrange(elsewhere.changes, '+', '-', 'COUNT', 1);
    await expect.poll(() => told.flat(), soon).toContain('AAAAAAAA');
    await server.cli('XDEL', elsewhere.changes, last?.[0] ?? '');
    await expect.poll(() => told, soon).toContain('all');
    expect(isGood(listener, 'AAAAAAAA', 1)).toBe(false);
  });

  test('a connection that is killed loses nothing', async () => {
    const [listener, writer] = [await life('listener'), await life('writer', { as: 'command' })];
    const told = toldTo(listener);
    for (let n = 0; n < 3; n += 1) {
      const before = listener.keyring.epoch();
      await server.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await expect.poll(() => writer.keyring.insert(testKey(`KEY0000${n}`), by).then(() => 'done', String), soon).toBe('done');
      // One for the key, one for the cut: a master that failed over may have had entries that nobody else has.
      await expect.poll(() => listener.keyring.epoch(), soon).toBeGreaterThanOrEqual(before + 2);
      expect(told).toContain('all');
      expect(listener.keyring.changedAt([`KEY0000${n}`])).toBeGreaterThan(before);
    }
  });
});

describe('a listener that fell behind', () => {
  test('hears every change of a long time, however many', async () => {
    const listener = await life('listener');
    const told = toldTo(listener);
    const before = listener.keyring.epoch();
    const pipeline = listener.connection.client.pipeline();
    for (let n = 0; n < 2500; n += 1) pipeline.xadd(elsewhere.changes, '*', 's', 'added', 'k', `KEY${n}`, 'o', 'another');
    await pipeline.exec();
    await expect.poll(() => listener.keyring.epoch(), soon).toBe(before + 2500);
    await expect.poll(() => new Set(told.flat()).size, soon).toBe(2500);
    expect(listener.keyring.changedAt(['KEY0', 'KEY2499'])).toBe(before + 2500);
    expect(told).not.toContain('all');
  });

  test('a bounded number of changes is remembered, and what is forgotten counts as changed', async () => {
    const listener = await life('listener');
    const first = listener.keyring.epoch() + 1;
    for (let from = 0; from < 10_100; from += 2020) {
      const pipeline = listener.connection.client.pipeline();
      for (let n = from; n < from + 2020; n += 1) pipeline.xadd(elsewhere.changes, '*', 's', 'added', 'k', `KEY${n}`, 'o', 'another');
      await pipeline.exec();
    }
    await expect.poll(() => listener.keyring.epoch(), soon).toBe(first + 10_099);
    expect(isGood(listener, 'KEY0', first)).toBe(false);
    expect(isGood(listener, 'NEVERCHANGED', first)).toBe(false);
    expect(isGood(listener, 'KEY0', listener.keyring.epoch())).toBe(true);
  });

  test('a server that was the master once, and has nothing new for ever, is left', async () => {
    let asked = 0;
    const listener = await life('listener', {
      wrap: (connection) => ({
        ...connection,
        dedicated: () => {
          const client = connection.dedicated();
          const xread = client.xread.bind(client) as (...args: unknown[]) => Promise<unknown>;
          let isLeft = false;
          client.on('close', () => {
            isLeft = true;
          });
          // The first answer is what stood there when it was the master still.
          const old = async (...args: unknown[]) => {
            asked += 1;
            if (isLeft || asked === 1) return xread(...args);
            return new Promise((resolve) => setTimeout(() => resolve(null), 10));
          };
          return Object.assign(client, { xread: old });
        },
      }),
    });
    const told = toldTo(listener);
    const readAt = listener.keyring.epoch();
    await (await life('writer')).keyring.insert(testKey('AAAAAAAA'), by);
    await expect.poll(() => told.flat(), soon).toContain('all');
    await expect.poll(() => isGood(listener, 'AAAAAAAA', readAt), soon).toBe(false);
    await (await life('other writer')).keyring.insert(testKey('BBBBBBBB'), by);
    await expect.poll(() => told.flat(), soon).toContain('BBBBBBBB');
  });
});

describe('a store that does not answer', () => {
  test('after 600 ms nothing that was read before is good, until it answers again', async () => {
    const listener = await life('listener');
    await listener.keyring.insert(testKey('AAAAAAAA'), by);
    const readAt = listener.keyring.epoch();
    server.pause();
    try {
      listener.clock.step(500);
      expect(isGood(listener, 'AAAAAAAA', readAt)).toBe(true);
      listener.clock.step(200);
      expect(listener.keyring.changedAt(['AAAAAAAA'])).toBe(Number.POSITIVE_INFINITY);
      expect(listener.keyring.changedAt([])).toBe(Number.POSITIVE_INFINITY);
    } finally {
      server.resume();
    }
    await expect.poll(() => listener.keyring.changedAt(['AAAAAAAA']), soon).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test('after a minute of silence there is no epoch any more; the error names no password', async () => {
    const other = await startRedis({ args: ['--requirepass', 'top-secret-password'] });
    const listener = await openLife(`redis://:top-secret-password@127.0.0.1:${other.port}`, { name: 'listener', as: 'gateway' });
    try {
      await other.kill();
      await expect.poll(() => listener.connection.trouble(), soon).toBeDefined();
      listener.clock.step(59_000);
      expect(listener.keyring.epoch()).toBe(0);
      listener.clock.step(2000);
      expect(() => listener.keyring.epoch()).toThrow(/Nothing was heard of key changes for 6\d seconds(?!.*top-secret)/);
      await expect(listener.feed.begin('AAAAAAAA')).rejects.toThrow();
      const before = performance.now();
      await expect(listener.keyring.acknowledged(100)).rejects.toThrow('The change is made');
      expect(performance.now() - before).toBeLessThan(1000);
    } finally {
      await listener.close();
      await other.stop();
    }
  });
});

describe('acknowledgement', () => {
  test('a replica has acknowledged once its listeners are through, and not before', async () => {
    const [one, two, three] = [await life('one'), await life('two'), await life('three')];
    await life('listener', { as: 'listener' });
    const cutting = Promise.withResolvers<void>();
    const cut: string[] = [];
    two.keyring.onChange(async (changed) => {
      await cutting.promise;
      cut.push(...changed);
    });
    await one.keyring.insert(testKey('AAAAAAAA'), by);
    await one.keyring.revoke('AAAAAAAA', revocation);
    const before = performance.now();
    expect(await one.keyring.acknowledged(60)).toEqual({ acknowledged: ['one', 'three'], pending: ['two'] });
    expect(performance.now() - before).toBeLessThan(1000);
    const command = await life('command', { as: 'command' });
    // Another process waits for its own changes alone.
    expect((await command.keyring.acknowledged(1000)).pending).toEqual([]);
    cutting.resolve();
    expect(await one.keyring.acknowledged(5000)).toEqual({ acknowledged: ['one', 'three', 'two'], pending: [] });
    expect(cut).toContain('AAAAAAAA');
    await three.close();
    lives = lives.filter((each) => each !== three);
    await command.keyring.remove('AAAAAAAA', revocation);
    expect(await command.keyring.acknowledged(5000)).toEqual({ acknowledged: ['one', 'two'], pending: [] });
  });

  test('who asks for a revocation again, because the first answer was lost, hears who has acted on it', async () => {
    const [one, two] = [await life('one'), await life('two')];
    const cutting = Promise.withResolvers<void>();
    two.keyring.onChange(() => cutting.promise);
    await one.keyring.insert(testKey('AAAAAAAA'), by);
    await one.keyring.revoke('AAAAAAAA', revocation);
    const command = await life('command', { as: 'command' });
    expect(await command.keyring.revoke('AAAAAAAA', revocation)).toMatchObject({ revokedAt: start, revision: 2 });
    expect(await command.keyring.acknowledged(60)).toEqual({ acknowledged: ['one'], pending: ['two'] });
    cutting.resolve();
    expect(await command.keyring.acknowledged(5000)).toEqual({ acknowledged: ['one', 'two'], pending: [] });
  });

  test('a listener that fails is told again, and nothing is acknowledged until it does not', async () => {
    const one = await life('one');
    const told: (readonly string[] | 'all')[] = [];
    let failing = true;
    one.keyring.onChange(async (changed) => {
      told.push(changed);
      if (failing) throw new Error('streams could not be judged');
    });
    await one.keyring.insert(testKey('AAAAAAAA'), by);
    expect(await one.keyring.acknowledged(50)).toEqual({ acknowledged: [], pending: ['one'] });
    failing = false;
    expect(await one.keyring.acknowledged(5000)).toEqual({ acknowledged: ['one'], pending: [] });
    expect(told.length).toBeGreaterThan(1);
    expect(told.at(-1)).toEqual(['AAAAAAAA']);
  });

  test('a replica that has gone silent is pending and not waited for, and forgotten when it must be dead', async () => {
    const one = await life('one');
    const [seconds = 0] = (await one.connection.client.time()).map(Number);
    const silentFor = (ms: number) => `${seconds * 1000 - ms} 0-0`;
    await one.connection.client.hset(elsewhere.replicas, { silent: silentFor(4000), dead: silentFor(60_000) });
    await one.keyring.insert(testKey('AAAAAAAA'), by);
    const before = performance.now();
    expect(await one.keyring.acknowledged(5000)).toEqual({ acknowledged: ['one'], pending: ['silent'] });
    expect(performance.now() - before).toBeLessThan(2000);
    expect(Object.keys(await one.connection.client.hgetall(elsewhere.replicas)).sort()).toEqual(['one', 'silent']);
  });

  test('I3: four replicas have acted on a revocation well within a second, under load', async () => {
    const four = await Promise.all(['one', 'two', 'three', 'four'].map((name) => life(name)));
    const [one] = four;
    if (!one) throw new Error('no life');
    const revoked = new Set<string>();
    const cut = new Map<string, number>();
    for (const each of four) {
      each.keyring.onChange(async (changed) => {
        // As where streams of these keys are judged by their newest records.
        for (const id of changed) if ((await each.keyring.get(id))?.revokedAt !== undefined) cut.set(id, (cut.get(id) ?? 0) + 1);
      });
    }
    let busy = true;
    const load = Promise.all(
      four.map(async ({ keyring }) => {
        while (busy) await Promise.all(Array.from({ length: 16 }, () => keyring.get('AAAAAAAA')));
      }),
    );
    const ms: number[] = [];
    for (let n = 0; n < 60; n += 1) {
      const id = `KEY${String(n).padStart(5, '0')}`;
      await one.keyring.insert(testKey(id), by);
      const before = performance.now();
      await one.keyring.revoke(id, revocation);
      revoked.add(id);
      expect(await one.keyring.acknowledged(2000)).toEqual({ acknowledged: ['four', 'one', 'three', 'two'], pending: [] });
      ms.push(performance.now() - before);
      expect(cut.get(id)).toBeGreaterThanOrEqual(4);
    }
    busy = false;
    await load;
    ms.sort((a, b) => a - b);
    const at = (share: number) => ms[Math.floor((ms.length - 1) * share)]?.toFixed(1);
    console.info(`revoked and acknowledged by 4 replicas, ms: p50 ${at(0.5)}, p95 ${at(0.95)}, max ${at(1)}`);
    expect(ms[Math.floor(ms.length / 2)]).toBeLessThan(1000);
  });
});
