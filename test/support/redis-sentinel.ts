import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';
import { redisCli, spawnServer, startRedis, type TestRedis, until } from './redis-server.ts';

const masterName = 'ledger';

export interface TestSentinel {
  readonly url: string;
  readonly master: TestRedis;
  readonly replica: TestRedis;
  /** Makes the replica the master, as an operator does, and waits until the Sentinel says so. */
  failover(): Promise<void>;
  /** Waits until the Sentinel names the replica as the master. */
  switched(): Promise<void>;
  stop(): Promise<void>;
}

/** One master, one replica that has caught up, and one Sentinel, which asks no second one and takes 1.5 s of silence for death. */
export async function startSentinel(options: { appendonly?: 'no' | 'everysec' | 'always' } = {}): Promise<TestSentinel> {
  const { master, replica, stop: stopPair } = await startPair(options);
  const sentinel = await startSentinelProcess(master.port);
  const says = (...args: string[]) => redisCli(sentinel.port, 'sentinel', ...args);
  await until(async () => (await says('replicas', masterName)).includes(String(replica.port)), 'the Sentinel knows the replica');
  const switched = () =>
    until(async () => (await says('get-master-addr-by-name', masterName)).includes(String(replica.port)), 'the Sentinel has switched');
  return {
    url: `redis+sentinel://127.0.0.1:${sentinel.port}/${masterName}`,
    master,
    replica,
    failover: async () => {
      const accepted = () => says('failover', masterName).then(Boolean, () => false);
      await until(accepted, 'the Sentinel has asked the replica how it is');
      await switched();
    },
    switched,
    stop: async () => void (await Promise.all([sentinel.stop(), stopPair()])),
  };
}

/** A master and a replica that has caught up, without a Sentinel. */
export async function startPair(
  options: { appendonly?: 'no' | 'everysec' | 'always' } = {},
): Promise<{ master: TestRedis; replica: TestRedis; stop: () => Promise<void> }> {
  const args = ['--repl-diskless-sync-delay', '0'];
  const master = await startRedis({ ...options, args });
  const replica = await startRedis({ ...options, args: [...args, '--replicaof', `127.0.0.1 ${master.port}`] });
  // Whatever the two say of each other, the first write may take a second to arrive.
  await master.cli('set', 'first', 'arrived');
  await until(async () => (await replica.cli('get', 'first')) === 'arrived', 'the replica follows');
  await master.cli('del', 'first');
  return { master, replica, stop: async () => void (await Promise.all([master.stop(), replica.stop()])) };
}

async function startSentinelProcess(masterPort: number): Promise<{ port: number; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'keygate-sentinel-'));
  const port = await freePort();
  const file = join(folder, 'sentinel.conf');
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${folder}`,
    `sentinel monitor ${masterName} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${masterName} 1500`,
    `sentinel failover-timeout ${masterName} 5000`,
  ];
  await writeFile(file, `${settings.join('\n')}\n`);
  const { server } = await spawnServer([file, '--sentinel'], /\+monitor master/);
  return {
    port,
    stop: async () => {
      server.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}
