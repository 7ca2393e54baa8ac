import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { createFolderArchive } from '../../../src/adapters/archive/folder.ts';
import { createS3Archive } from '../../../src/adapters/archive/s3.ts';
import { createRedisArchive } from '../../../src/adapters/redis/journal/redis-archive.ts';
import type { Archive } from '../../../src/ports/archive.ts';
import { minute, start, testSigner } from '../../ports/subject.ts';
import { startObjectStore } from '../../support/object-store.ts';
import { startRedisCluster } from '../../support/redis-cluster.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { archiveContract } from '../archive/archive-contract.ts';
import { dying, everyLine, type JournalLife, type MemoryArchive, memoryArchive, openJournalLife } from './journal-life.ts';

const signer = testSigner();
let server: TestRedis;
let lives: JournalLife[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => server.cli('FLUSHALL'));
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(lives.map((life) => life.close()));
  lives = [];
});
const open = async (archive?: Archive, clock?: JournalLife['clock']): Promise<JournalLife> => {
  const life = await openJournalLife(server.url, { signer, ...(archive && { archive }), ...(clock && { clock }) });
  lives.push(life);
  return life;
};
const fill = async (life: JournalLife, from: number, count: number): Promise<void> => {
  for (let n = from; n < from + count; n += 1) {
    await life.append(`p${n % 3}`, { fact: `${n}` }, start + n);
    await life.journal.checkpoint(start + n);
  }
};
const inRedis = async (): Promise<string[]> =>
  (await server.cli('KEYS', 'kg:{archive}:segments:*'))
    .split('\n')
    .filter((name) => name !== '')
    .sort();

archiveContract('Redis', async () => {
  const [one, two] = [await open(), await open()];
  return { archive: createRedisArchive(one.connection), beside: createRedisArchive(two.connection), close: async () => undefined };
});

describe('every archive', () => {
  const exercise = async (make: () => Archive) => {
    const life = await open(make());
    await fill(life, 0, 12);
    await fill(await open(make()), 12, 12);
    expect(await life.verify()).toMatchObject({ ok: true, records: 24 });
    life.clock.step(minute);
    expect(await life.journal.prune({ before: start + 10, now: life.clock.now() })).toBe(10);
    const fresh = await open(make());
    await fill(fresh, 24, 3);
    expect(await fresh.verify()).toMatchObject({ ok: true, records: 20 });
    expect((await everyLine(fresh.journal, 7)).length).toBe(20);
  };

  test('a folder holds a journal', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keygate-archive-'));
    try {
      await exercise(() => createFolderArchive({ folder, random: randomBytes }));
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a bucket holds a journal', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAFAKE');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'fake-secret-access-key');
    const store = await startObjectStore({ bucket: 'audit' });
    try {
      await exercise(() =>
        createS3Archive({ address: { bucket: 'audit', prefix: '', region: 'eu-central-1', endpoint: store.url, pathStyle: true } }),
      );
    } finally {
      await store.close();
    }
  });

  test('folders that are not the same one: the first that is noted counts, and nothing is lost in the other', async () => {
    const [mine, other] = [memoryArchive('my disk'), memoryArchive('another disk')];
    const [one, two] = [await open(mine), await open(other)];
    for (let n = 0; n < 20; n += 1) await one.append(`p${n % 3}`, { fact: `${n}` });
    const sealed = await Promise.allSettled([one.journal.head(), two.journal.head()]);
    expect(sealed.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [winner, loser] = sealed[0]?.status === 'fulfilled' ? [one, two] : [two, one];
    expect(await winner.verify()).toMatchObject({ ok: true, records: 20 });
    await one.append('p1', { fact: 'more' });
    await expect(loser.journal.head()).rejects.toThrow('cannot be sealed');
    expect((await loser.verify()).ok).toBe(false);
    expect(await winner.journal.head()).toBe(21);
    expect(await winner.verify()).toMatchObject({ ok: true, records: 21 });
  });

  test('of two disks that take the same number at once, the one that is not noted trims nothing', async () => {
    const [mine, other] = [memoryArchive('my disk'), memoryArchive('another disk')];
    const atPut = Promise.withResolvers<void>();
    const noted = Promise.withResolvers<void>();
    let late: Promise<unknown> = Promise.resolve();
    const slow = await open({
      ...other,
      put: async (name, text) => {
        atPut.resolve();
        await noted.promise;
        return other.put(name, text);
      },
    });
    const quick = await open({
      ...mine,
      put: async (name, text) => {
        if (name.number > 1) return mine.put(name, text);
        await quick.append('p1', { fact: 'after the first had read' });
        await server.cli('DEL', 'kg:{duty}:seal:holder');
        late = expect(slow.journal.head()).rejects.toThrow('cannot be sealed');
        await atPut.promise;
        return mine.put(name, text);
      },
    });
    await quick.append('p1', { fact: 'one' });
    await quick.journal.checkpoint(start);
    noted.resolve();
    await late;
    expect(other.texts.size).toBe(1);
    expect(await quick.journal.head()).toBe(2);
    expect(await quick.verify()).toMatchObject({ ok: true, records: 2 });
  });
});

describe('an archive that is configured later', () => {
  test('takes over what stands in Redis, in order, and a gateway with the old configuration seals no more', async () => {
    const before = await open();
    await fill(before, 0, 20);
    const archive = memoryArchive('the new archive');
    const after = await open(archive);
    await fill(after, 20, 5);
    expect(await after.verify()).toMatchObject({ ok: true, records: 25 });
    expect((await everyLine(after.journal)).map((line) => JSON.parse(line).fact)).toEqual(Array.from({ length: 25 }, (_, n) => `${n}`));
    expect(await inRedis()).toEqual(['kg:{archive}:segments:21']);
    await before.append('p1', { fact: 'left' });
    await expect(before.journal.head()).rejects.toThrow(
      'the archive in Redis was moved to the new archive: configure that as journal.archive',
    );
    expect(await after.journal.head()).toBe(26);
    await expect((await open()).journal.head()).rejects.toThrow('was moved to the new archive');
  });

  test('takes over a pruned journal with its anchors', async () => {
    const before = await open();
    await fill(before, 0, 20);
    before.clock.step(minute);
    expect(await before.journal.prune({ before: start + 10, now: before.clock.now() })).toBe(10);
    const after = await open(memoryArchive(), before.clock);
    await fill(after, 20, 2);
    expect(await after.verify()).toMatchObject({ ok: true, records: 15 });
    expect(await after.journal.prune({ before: start + 15, now: before.clock.now() })).toBe(5);
    expect(await (await open(memoryArchive())).verify()).toMatchObject({ ok: false });
    expect(await after.verify()).toMatchObject({ ok: true });
  });

  test('of two that take over at once while another still seals in Redis, nothing is lost', async () => {
    const before = await open();
    await fill(before, 0, 10);
    const archive = memoryArchive();
    const [one, two] = [await open(archive), await open(archive)];
    for (let n = 10; n < 40; n += 1) {
      await one.append(`p${n % 3}`, { fact: `${n}` });
      if (n % 5 === 0) await Promise.allSettled([before.journal.head(), one.journal.head(), two.journal.head()]);
    }
    expect(await one.journal.head()).toBe(40);
    expect(await two.verify()).toMatchObject({ ok: true, records: 40, gaps: [] });
    expect((await everyLine(two.journal)).map((line) => Number(JSON.parse(line).fact)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, n) => n),
    );
  });

  const calls = ['put segments 1', 'put segments 4', 'put segments 6', 'newest segments'];
  test.each(calls.flatMap((call) => (['before', 'after'] as const).map((when) => [when, call] as const)))(
    'broken off %s %s, the move goes on',
    async (when, call) => {
      const before = await open();
      await fill(before, 0, 6);
      const archive = memoryArchive();
      let left = 1;
      const broken = await open(dying(archive, (name) => (name === call && left-- > 0 ? when : undefined)));
      await expect(broken.journal.head()).rejects.toThrow('died');
      const next = await open(archive);
      await fill(next, 6, 2);
      expect(await next.verify()).toMatchObject({ ok: true, records: 8 });
      expect(await inRedis()).toEqual(['kg:{archive}:segments:7']);
    },
  );

  test("another store's archive is refused before anything is moved", async () => {
    const theirs = memoryArchive('their archive');
    const they = await open(theirs);
    await fill(they, 0, 3);
    await server.cli('FLUSHALL');
    const ours = await open();
    await fill(ours, 0, 5);
    const kept = new Map(theirs.texts);
    await expect((await open(theirs)).journal.head()).rejects.toThrow('their archive holds a segment 3 that is not of this journal');
    expect(theirs.texts).toEqual(kept);
    expect(await ours.journal.head()).toBe(5);
    expect(await ours.verify()).toMatchObject({ ok: true });
  });

  test('one that is not empty, for a store that is, leaves the store usable with another', async () => {
    const theirs: MemoryArchive = memoryArchive('their archive');
    await fill(await open(theirs), 0, 3);
    await server.cli('FLUSHALL');
    const life = await open(theirs);
    await life.append('p1', { fact: 'ours' });
    await expect(life.journal.head()).rejects.toThrow('this store knows of none');
    expect(await (await open()).journal.head()).toBe(1);
  });
});

test('a cluster holds a journal', async () => {
  const cluster = await startRedisCluster({ nodes: 3 });
  const life = await openJournalLife(cluster.url, { signer });
  try {
    await fill(life, 0, 12);
    for (let n = 12; n < 512; n += 1) await life.append(`p${n % 256}`, { fact: `${n}` }, start + n);
    expect(await life.journal.head()).toBe(512);
    expect(await life.verify()).toMatchObject({ ok: true, records: 512 });
    life.clock.step(minute);
    expect(await life.journal.prune({ before: start + 10, now: life.clock.now() })).toBe(10);
    expect(await life.verify()).toMatchObject({ ok: true });
  } finally {
    await life.close();
    await cluster.stop();
  }
});
