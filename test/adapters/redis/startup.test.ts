import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import { type Durability, judgeServer } from '../../../src/adapters/redis/fitness.ts';
import { elsewhere, everyPartition, inPartition } from '../../../src/adapters/redis/layout.ts';
import type { ServerFacts } from '../../../src/adapters/redis/server-facts.ts';
import { checkServer } from '../../../src/adapters/redis/startup.ts';
import { startPair, startSentinel } from '../../support/redis-sentinel.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { rejection } from './scripts-for-tests.ts';

const sound: ServerFacts = {
  at: 'h:6379',
  version: '7.0.15',
  mode: 'standalone',
  role: 'master',
  connectedReplicas: 1,
  maxmemory: 0,
  maxmemoryPolicy: 'noeviction',
  appendonly: true,
  appendfsync: 'always',
  aheadMs: 0,
};
const server: Durability = { mode: 'server', replicas: 1 };
const fsync: Durability = { mode: 'fsync', replicas: 1 };
const replicated: Durability = { mode: 'replicated', replicas: 2 };

describe('what a server says of itself is judged', () => {
  const judged = (facts: Partial<ServerFacts>, durability = server, cluster = false) =>
    judgeServer({ ...sound, ...facts }, { durability, cluster });

  test('a sound one has nothing to hear, in any mode', () => {
    for (const durability of [server, fsync, { ...replicated, replicas: 1 }])
      expect(judged({}, durability)).toEqual({ refusals: [], warnings: [] });
    expect(judged({ mode: 'cluster' }, server, true)).toEqual({ refusals: [], warnings: [] });
    for (const version of ['6.2.0', '6.10.1', '7.2.4', '8.0', '10.0.0']) expect(judged({ version }).refusals).toEqual([]);
  });

  test.each<[string, Partial<ServerFacts>, RegExp]>([
    ['an old version', { version: '6.0.16' }, /version 6.0.16. keygate needs 6.2 or newer/],
    ['an older one still', { version: '5.9.9' }, /version 5.9.9/],
    ['a version that is no number', { version: 'unstable' }, /version unstable/],
    ['no version', { version: undefined }, /does not say its version/],
    ['a Sentinel', { mode: 'sentinel' }, /is a Sentinel. Write redis\+sentinel/],
    ['a node of a cluster', { mode: 'cluster' }, /Write redis\+cluster/],
    ['a replica', { role: 'slave' }, /is a replica/],
    ['one that does not say its role', { role: undefined }, /is a replica/],
    ['one that evicts', { maxmemory: 1, maxmemoryPolicy: 'allkeys-lru' }, /noeviction/],
    ['one that evicts what expires', { maxmemory: 1, maxmemoryPolicy: 'volatile-ttl' }, /noeviction/],
    ['one that evicts and hides its limit', { maxmemory: undefined, maxmemoryPolicy: 'allkeys-lru' }, /noeviction/],
    ['a clock far ahead', { aheadMs: 30_001 }, /30.0 s ahead of this machine/],
    ['a clock far behind', { aheadMs: -60_000 }, /60.0 s behind this machine/],
  ])('%s is refused', (_, facts, why) => {
    expect(judged(facts).refusals).toEqual([expect.stringMatching(why)]);
  });

  test('a single server is refused as a cluster', () => {
    expect(judged({}, server, true).refusals).toEqual([expect.stringMatching(/is a single server. Write redis:\/\//)]);
  });

  test.each<[string, Partial<ServerFacts>, Durability, RegExp]>([
    ['no append-only file', { appendonly: false }, server, /has appendonly no/],
    ['fsync once a second', { appendfsync: 'everysec' }, server, /appendfsync everysec/],
    ['a hidden policy', { appendfsync: undefined }, server, /does not say its appendonly and appendfsync/],
    ['no limit yet, and a policy that evicts', { maxmemoryPolicy: 'allkeys-lru' }, server, /There is no maxmemory yet/],
    ['a hidden maxmemory-policy', { maxmemoryPolicy: undefined }, server, /does not say its maxmemory-policy/],
    ['too few replicas', {}, replicated, /has 1 of the 2 replicas/],
    ['a clock that is a little off', { aheadMs: -2500 }, server, /2.5 s behind/],
  ])('%s is warned of', (_, facts, durability, why) => {
    expect(judged(facts, durability)).toEqual({ refusals: [], warnings: [expect.stringMatching(why)] });
  });

  test.each<[Partial<ServerFacts>, RegExp | undefined]>([
    [{ appendonly: false, version: '8.0.0' }, /has appendonly no, but redis.durability is fsync/],
    [{ appendfsync: 'everysec' }, /has appendfsync everysec, but/],
    [{ appendfsync: undefined }, /has appendfsync hidden from this account, but/],
    [{ appendonly: undefined }, /redis.durability is fsync/],
    [{ appendfsync: 'everysec', version: '7.2.0' }, undefined],
    [{ appendfsync: undefined, version: '8.0.0' }, undefined],
  ])('durability fsync and %j', (facts, why) => {
    expect(judged(facts, fsync)).toEqual({ refusals: why === undefined ? [] : [expect.stringMatching(why)], warnings: [] });
  });
});

describe('a real server', () => {
  let redis: TestRedis;
  beforeAll(async () => {
    redis = await startRedis({ appendonly: 'always' });
  });
  afterAll(() => redis.stop());

  async function check(url = redis.url, { durability = fsync, now = Date.now }: { durability?: Durability; now?: () => number } = {}) {
    const connection = await openConnection(url);
    onTestFinished(() => connection.close());
    const warnings: string[] = [];
    await checkServer(connection, { durability, now, log: { warn: (message) => void warnings.push(message) } });
    return warnings;
  }

  test('passes, and nothing is left behind', async () => {
    expect(await check()).toEqual([]);
    expect(await redis.cli('dbsize')).toBe('0');
  });

  test('passes with a ledger in it', async () => {
    await redis.cli('zadd', inPartition.due('p1'), '1', 'x');
    await redis.cli('xadd', inPartition.journal('p1'), '1-0', '1', '{}');
    await redis.cli('set', inPartition.seq('p1'), '1');
    await redis.cli('hset', elsewhere.meta, 'schema', '2');
    expect(await check()).toEqual([]);
    await redis.cli('flushall');
  });

  test.each([elsewhere.index, elsewhere.meta, inPartition.journal('p0'), inPartition.due(everyPartition().at(-1) ?? '')])(
    'is refused where %s is something else',
    async (name) => {
      await redis.cli('lpush', name, 'x');
      const refused = await rejection(check());
      expect(refused).toContain(`${name} is taken by a value of type list`);
      await redis.cli('del', name);
    },
  );

  test('A45: that evicts is refused, once there is a limit', async () => {
    onTestFinished(async () => void (await redis.cli('config', 'set', 'maxmemory', '0', 'maxmemory-policy', 'noeviction')));
    await redis.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    expect(await check()).toEqual([expect.stringMatching(/There is no maxmemory yet/)]);
    await redis.cli('config', 'set', 'maxmemory', '100mb');
    expect(await rejection(check())).toMatch(/CONFIG SET maxmemory-policy noeviction/);
  });

  test('that is full is refused', async () => {
    onTestFinished(async () => void (await redis.cli('config', 'set', 'maxmemory', '0')));
    await redis.cli('config', 'set', 'maxmemory', '1');
    expect(await rejection(check())).toMatch(/OOM/);
  });

  test('with a clock of its own is refused or warned of', async () => {
    expect(await rejection(check(redis.url, { now: () => Date.now() + 40_000 }))).toMatch(/(?:39|40)\.\d s behind this machine/);
    expect(await check(redis.url, { now: () => Date.now() - 5000 })).toEqual([expect.stringMatching(/[45]\.\d s ahead of this machine/)]);
  });

  test('whose account lacks a command, or our names, is refused and says which', async () => {
    await redis.cli('acl', 'setuser', 'gate', 'on', '>pw', 'allkeys', 'allcommands');
    const url = `redis://gate:pw@127.0.0.1:${redis.port}`;
    expect(await check(url)).toEqual([]);
    for (const command of ['xadd', 'hset', 'zadd', 'evalsha', 'type']) {
      await redis.cli('acl', 'setuser', 'gate', `-${command}`);
      expect(await rejection(check(url))).toMatch(new RegExp(`${command}`, 'i'));
      await redis.cli('acl', 'setuser', 'gate', `+${command}`);
    }
    await redis.cli('acl', 'setuser', 'gate', 'resetkeys', '~other:*');
    expect(await rejection(check(url))).toMatch(/no permissions? to access|can't access|NOPERM/i);
    await redis.cli('acl', 'setuser', 'gate', 'resetkeys', '~kg:*');
    expect(await check(url)).toEqual([]);
  });

  test('that hides CONFIG, as hosted ones do, is warned of, and refused where fsync depends on it', async () => {
    await redis.cli('acl', 'setuser', 'hosted', 'on', '>pw', 'allkeys', 'allcommands', '-config');
    const url = `redis://hosted:pw@127.0.0.1:${redis.port}`;
    expect(await check(url, { durability: server })).toEqual([expect.stringMatching(/does not say its appendonly and appendfsync/)]);
    expect(await rejection(check(url))).toMatch(/appendfsync hidden from this account/);
  });

  test('that hides INFO is refused', async () => {
    await redis.cli('acl', 'setuser', 'blind', 'on', '>pw', 'allkeys', 'allcommands', '-info');
    expect(await rejection(check(`redis://blind:pw@127.0.0.1:${redis.port}`))).toMatch(/'info' command.*Grant that to keygate's account/);
  });

  test('that is a replica, or a Sentinel, is refused', async () => {
    const { master, replica, stop } = await startPair();
    onTestFinished(stop);
    expect(await rejection(check(replica.url, { durability: server }))).toMatch(/is a replica/);
    expect(await check(master.url, { durability: { mode: 'replicated', replicas: 1 } })).toEqual([]);
    const sentinel = await startSentinel();
    onTestFinished(() => sentinel.stop());
    const url = sentinel.url.replace('redis+sentinel:', 'redis:').replace('/ledger', '');
    expect(await rejection(check(url, { durability: server }))).toMatch(/is a Sentinel/);
    expect(await check(sentinel.url, { durability: server })).toEqual([expect.stringMatching(/appendonly no/)]);
  });
});
