import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../../src/adapters/redis/connect.ts';
import { elsewhere, everyPartition, prefixOf } from '../../../src/adapters/redis/layout.ts';
import { siblingKey } from '../../../src/adapters/redis/run-script.ts';
import { checkServer } from '../../../src/adapters/redis/startup.ts';
import { startRedisCluster, type TestCluster } from '../../support/redis-cluster.ts';
import { count, rejection, untilDone } from './scripts-for-tests.ts';

const commandTimeoutMs = 1500;
const slackMs = 500;
const recoveryMsMax = 5000;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startRedisCluster({ nodes: 3, appendonly: 'always' });
});
afterAll(() => cluster.stop());

async function opened(timeoutMs = commandTimeoutMs) {
  const connection = await openConnection(cluster.url, { commandTimeoutMs: timeoutMs });
  onTestFinished(() => connection.close());
  return connection;
}

async function slotOf(key: string): Promise<number> {
  return Number(await cluster.nodes[0]?.cli('cluster', 'keyslot', key));
}

/** A partition of which that node serves the slot. */
async function partitionAt(port: number): Promise<string> {
  for (const partition of everyPartition()) {
    const owner = await cluster.owner(await slotOf(prefixOf(partition)));
    if (owner.port === port) return partition;
  }
  throw new Error('The node serves no partition.');
}

test('every partition is served, and a script says which node ran it', async () => {
  const connection = await opened();
  const ran = await Promise.all(everyPartition().map((partition) => connection.runAt(count, [prefixOf(partition)], ['all'])));
  expect(ran.every(({ reply, unbroken }) => reply === 1 && unbroken())).toBe(true);
  expect(new Set(ran.map(({ node }) => node))).toEqual(new Set(connection.masters()));
  expect(connection.masters()).toHaveLength(3);
});

test('keys without a tag, and a second key in the slot of the first, are run too', async () => {
  const connection = await opened();
  expect(await connection.run(count, ['plain'], [''])).toBe(1);
  expect(await connection.run(count, [elsewhere.changes, elsewhere.replicas], [':second'])).toBe(1);
  expect(siblingKey('plain', 'absent')).toBe('kg:{plain}:absent');
  expect(siblingKey('kg:{p1}:', 'absent')).toBe('kg:{p1}:absent');
});

test('while a slot moves to another node, no script sees half of it', async () => {
  const connection = await opened(20_000);
  const prefix = prefixOf('p17');
  const slot = await slotOf(prefix);
  const from = await cluster.owner(slot);
  const to = cluster.nodes.find((node) => node !== from);
  if (!to) throw new Error('There is one node only.');
  // Names that nobody declares: after the first of them has moved, either node lacks some.
  const names = ['a', 'b', 'c', 'd', 'e'];
  for (const name of names) await connection.run(count, [prefix], [name]);

  const answers: number[] = [];
  let moving = true;
  const load = (async () => {
    while (moving) for (const name of names) answers.push(Number(await connection.run(count, [prefix], [name])));
  })();
  const another = async (rounds: number) => {
    const enough = answers.length + rounds * names.length;
    while (answers.length < enough) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  await another(3);
  await cluster.moveSlot(slot, { to, during: () => new Promise((resolve) => setTimeout(resolve, 60)) });
  await another(3);
  moving = false;
  await load;

  expect((await cluster.owner(slot)).port).toBe(to.port);
  const rounds = answers.length / names.length;
  expect(answers).toEqual(Array.from({ length: rounds }, (_, round) => names.map(() => round + 2)).flat());
  for (const name of names) expect(await to.cli('get', prefix + name)).toBe(String(rounds + 1));
});

test('a slot that moves for longer than a command may take costs rejections, not counts', async () => {
  const timeoutMs = 600;
  const connection = await opened(timeoutMs);
  const prefix = prefixOf('p18');
  const slot = await slotOf(prefix);
  const from = await cluster.owner(slot);
  const to = cluster.nodes.find((node) => node !== from);
  if (!to) throw new Error('There is one node only.');
  expect(await connection.run(count, [prefix], ['a'])).toBe(1);
  let refused = '';
  await cluster.moveSlot(slot, {
    to,
    during: async () => {
      const begin = performance.now();
      refused = await rejection(connection.run(count, [prefix], ['a']));
      expect(performance.now() - begin).toBeLessThan(timeoutMs + slackMs);
    },
  });
  expect(refused).toMatch(/timed out|Too many Cluster redirections/);
  await untilDone(() => connection.run(count, [prefix], ['b']), recoveryMsMax);
  // What was rejected is not sent later on.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(await to.cli('get', `${prefix}a`)).toBe('1');
});

test('a node that is gone makes its own slots fail in time and no others, and comes back by itself', async () => {
  const connection = await opened();
  const [first, , last] = cluster.nodes;
  if (!first || !last) throw new Error('There are fewer than three nodes.');
  const [lost, kept] = [await partitionAt(last.port), await partitionAt(first.port)];
  await connection.run(count, [prefixOf(lost)], ['gone']);
  await connection.run(count, [prefixOf(kept)], ['gone']);
  for (const node of [first, cluster.nodes[1]]) await node?.cli('config', 'set', 'cluster-require-full-coverage', 'no');
  await last.kill();
  const begin = performance.now();
  const [gone, here] = await Promise.allSettled([
    connection.run(count, [prefixOf(lost)], ['gone']),
    connection.run(count, [prefixOf(kept)], ['gone']),
  ]);
  expect(performance.now() - begin).toBeLessThan(commandTimeoutMs + slackMs);
  expect(gone.status).toBe('rejected');
  expect(here).toEqual({ status: 'fulfilled', value: 2 });
  await untilDone(async () => expect(connection.trouble()).toMatch(/does not answer|not connected/), recoveryMsMax);
  await last.restart();
  expect(await untilDone(() => connection.run(count, [prefixOf(lost)], ['gone']), recoveryMsMax)).toBeLessThan(recoveryMsMax);
  expect(await last.cli('get', `${prefixOf(lost)}gone`)).toBe('2');
  await untilDone(async () => expect(connection.trouble()).toBeUndefined(), recoveryMsMax);
});

test('a node that is frozen makes its own slots fail in time', async () => {
  const connection = await opened();
  const [first, second] = cluster.nodes;
  if (!first || !second) throw new Error('There are fewer than two nodes.');
  const frozen = await partitionAt(second.port);
  const kept = await partitionAt(first.port);
  await connection.run(count, [prefixOf(frozen)], ['frozen']);
  second.pause();
  onTestFinished(() => second.resume());
  const begin = performance.now();
  await rejection(connection.run(count, [prefixOf(frozen)], ['frozen']));
  expect(performance.now() - begin).toBeLessThan(commandTimeoutMs + slackMs);
  expect(await connection.run(count, [prefixOf(kept)], ['beside a frozen one'])).toBe(1);
  second.resume();
  expect(await untilDone(() => connection.run(count, [prefixOf(frozen)], ['frozen']), recoveryMsMax)).toBeLessThan(recoveryMsMax);
});

test('a cluster is checked node by node and slot by slot', async () => {
  const connection = await opened();
  const warnings: string[] = [];
  const options = {
    durability: { mode: 'fsync', replicas: 1 },
    now: Date.now,
    log: { warn: (text: string) => void warnings.push(text) },
  } as const;
  const { facts } = await checkServer(connection, options);
  expect(facts).toHaveLength(3);
  expect(warnings).toEqual([]);
  const [first, second] = cluster.nodes;
  await second?.cli('config', 'set', 'appendfsync', 'everysec');
  expect(await rejection(checkServer(connection, options))).toMatch(
    new RegExp(`^Redis at 127.0.0.1:${second?.port} has appendfsync everysec, but redis.durability is fsync.`),
  );
  await second?.cli('config', 'set', 'appendfsync', 'always');
  await second?.cli('acl', 'setuser', 'default', '-xadd');
  expect(await rejection(checkServer(connection, options))).toMatch(/XADD is refused/);
  await second?.cli('acl', 'setuser', 'default', '+xadd');
  expect(
    await rejection(
      openConnection(`redis://127.0.0.1:${first?.port}`).then(async (single) => {
        onTestFinished(() => single.close());
        await checkServer(single, options);
      }),
    ),
  ).toMatch(/is a node of a cluster. Write redis\+cluster:\/\//);
  const slot = await slotOf('nobody');
  const owner = await cluster.owner(slot);
  for (const node of cluster.nodes) await node.cli('config', 'set', 'cluster-require-full-coverage', 'no');
  for (const node of cluster.nodes) await node.cli('cluster', 'delslots', String(slot));
  onTestFinished(async () => void (await owner.cli('cluster', 'addslots', String(slot))));
  expect(await rejection(checkServer(connection, options))).toMatch(/serves 16383 of 16384 slots/);
});
