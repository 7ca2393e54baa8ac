import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import type { MatrixClient } from './connected.ts';
import { judgePair, operations, type Pair } from './judge-pair.ts';
import type { MatrixUpstream, Running } from './upstreams.ts';

/** One pair of the matrix, judged. */
export interface Judged {
  readonly client: MatrixClient;
  readonly upstream: MatrixUpstream;
  readonly pair: Pair;
}

/** Every client at every upstream, one pair after the other; each upstream has a gateway of its own. `tell` is called after each pair. */
export async function runMatrix(
  { clients, upstreams }: { clients: readonly MatrixClient[]; upstreams: readonly MatrixUpstream[] },
  tell: (judged: Judged) => void = () => {},
): Promise<Judged[]> {
  const all: Judged[] = [];
  for (const upstream of upstreams) {
    const running = await upstream.start();
    try {
      for (const judged of await judgeRow(clients, upstream, running)) {
        tell(judged);
        all.push(judged);
      }
    } finally {
      await running.close();
    }
  }
  return all;
}

async function judgeRow(clients: readonly MatrixClient[], upstream: MatrixUpstream, running: Running): Promise<Judged[]> {
  let gate: TestGateway;
  try {
    gate = await startTestGateway({ upstreams: { up: configured(upstream, running) } });
  } catch (problem) {
    return clients.map((client) => ({ client, upstream, pair: nowhere(problem) }));
  }
  try {
    const row: Judged[] = [];
    for (const client of clients) {
      // One key for each agent, as it should be: what one client leaves open does not count against another.
      const { key } = await gate.mint({ name: client.name, scopes: ['trade'] });
      row.push({ client, upstream, pair: await judgePair({ client, upstream, running, url: `${gate.url}/mcp/up`, key }) });
    }
    return row;
  } finally {
    await gate.close();
  }
}

/** The key has `trade`: the refused tool needs more, everything else less. */
function configured({ refused }: MatrixUpstream, { place }: Running): Record<string, unknown> {
  return {
    ...place,
    environment: 'live',
    tools: [
      { match: refused.tool, scope: 'manage:up' },
      { match: '*', scope: 'trade:up', price: '0.001' },
    ],
    resources: [{ match: '**', scope: 'read:up' }],
    prompts: [{ match: '*', scope: 'read:up' }],
  };
}

/** Where the gateway did not take the configuration, nothing could be tried. */
function nowhere(problem: unknown): Pair {
  const cell = { status: 'failed', why: String(problem) } as const;
  return Object.fromEntries(operations.map((operation) => [operation, cell])) as unknown as Pair;
}
