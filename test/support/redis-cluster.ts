import { freePort } from './ports.ts';
import { startRedis, type TestRedis, until } from './redis-server.ts';

const slots = 16_384;

export interface TestCluster {
  readonly url: string;
  readonly nodes: readonly TestRedis[];
  /** The node that serves the slot now. */
  owner(slot: number): Promise<TestRedis>;
  /**
   * Moves a slot to another node while it is in use, as `redis-cli --cluster reshard` does.
   * @param options.during  called when the slot is marked as moving, and again after each key that was moved
   */
  moveSlot(slot: number, options: { to: TestRedis; during?: () => Promise<void> }): Promise<void>;
  stop(): Promise<void>;
}

/** A cluster of masters, each with an equal share of the slots. Resolves when every node says that the cluster is ready. */
export async function startRedisCluster(options: {
  nodes: number;
  appendonly?: 'no' | 'everysec' | 'always';
  args?: readonly string[];
}): Promise<TestCluster> {
  const nodes = await Promise.all(Array.from({ length: options.nodes }, () => startNode(options)));
  const stop = async () => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    await join(nodes);
  } catch (error) {
    await stop();
    throw error;
  }
  const owner = async (slot: number) => {
    for (const node of nodes) if (await serves(node, slot)) return node;
    throw new Error(`No node serves slot ${slot}.`);
  };
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    owner,
    moveSlot: async (slot, { to, during }) => moveSlot(slot, { from: await owner(slot), to, nodes, during }),
    stop,
  };
}

/** The port of the cluster bus is by default 10,000 above the other one, and may not exist. */
async function startNode({ appendonly = 'no', args = [] }: { appendonly?: 'no' | 'everysec' | 'always'; args?: readonly string[] }) {
  const bus = await freePort();
  const cluster = ['--cluster-enabled', 'yes', '--cluster-port', String(bus), '--cluster-node-timeout', '2000'];
  return Object.assign(await startRedis({ appendonly, args: [...cluster, '--cluster-allow-replica-migration', 'no', ...args] }), { bus });
}

async function join(nodes: readonly (TestRedis & { bus: number })[]): Promise<void> {
  const [first] = nodes;
  for (const [at, node] of nodes.entries()) {
    const from = Math.floor((slots * at) / nodes.length);
    const through = Math.floor((slots * (at + 1)) / nodes.length) - 1;
    await node.cli('cluster', 'addslotsrange', String(from), String(through));
    await node.cli('cluster', 'set-config-epoch', String(at + 1));
  }
  for (const node of nodes)
    if (first && node !== first) await node.cli('cluster', 'meet', '127.0.0.1', String(first.port), String(first.bus));
  const ready = async (node: TestRedis) => {
    const state = await node.cli('cluster', 'info');
    return (
      state.includes('cluster_state:ok') &&
      state.includes(`cluster_known_nodes:${nodes.length}`) &&
      state.includes(`cluster_size:${nodes.length}`)
    );
  };
  await until(async () => (await Promise.all(nodes.map(ready))).every(Boolean), 'the cluster is ready');
}

async function serves(node: TestRedis, slot: number): Promise<boolean> {
  const self = (await node.cli('cluster', 'nodes')).split('\n').find((line) => line.includes('myself'));
  const ranges = (self ?? '')
    .split(' ')
    .slice(8)
    .filter((range) => !range.startsWith('['));
  return ranges.some((range) => {
    const [from = '', through = from] = range.split('-');
    return slot >= Number(from) && slot <= Number(through);
  });
}

async function moveSlot(
  slot: number,
  { from, to, nodes, during }: { from: TestRedis; to: TestRedis; nodes: readonly TestRedis[]; during: (() => Promise<void>) | undefined },
): Promise<void> {
  const fromId = await from.cli('cluster', 'myid');
  const toId = await to.cli('cluster', 'myid');
  await to.cli('cluster', 'setslot', String(slot), 'importing', fromId);
  await from.cli('cluster', 'setslot', String(slot), 'migrating', toId);
  await during?.();
  for (;;) {
    const key = (await from.cli('cluster', 'getkeysinslot', String(slot), '1')).trim();
    if (key === '') break;
    await from.cli('migrate', '127.0.0.1', String(to.port), key, '0', '5000');
    await during?.();
  }
  await to.cli('cluster', 'setslot', String(slot), 'node', toId);
  for (const node of nodes) if (node !== to) await node.cli('cluster', 'setslot', String(slot), 'node', toId);
}
