import { availableParallelism } from 'node:os';
import { workersOf } from '../test/process/worker-processes.ts';
import { answerOf, callBody, finish, keyedHeaders } from './cost-stand.ts';
import { type Bench, type Found, rowsOf } from './cost-terms.ts';
import { openUp } from './cost-up.ts';
import { measure, type Way } from './measure.ts';
import { alternate, ratioOf } from './spread.ts';

const connections = 64;
/** Two for the workers, one each for the load and the upstream: with fewer, what is measured is the machine. */
const coresNeeded = 4;
const measurement = 'calls.workers.2/1';

/** What a second worker process adds to the calls of a second. */
export async function measureWorkers(bench: Bench): Promise<Found> {
  const cores = availableParallelism();
  const none = (why: string): Found => ({ tables: [], measurements: {}, absent: { [measurement]: why } });
  if (cores < coresNeeded) return none(`${cores} cores: two workers, the load and the upstream need ${coresNeeded}`);
  const { stand, wrong, pace } = bench;
  const gates = [];
  for (const workers of [1, 2]) gates.push({ workers, ...(await openUp(bench, { path: `/workers-${workers}`, settings: { workers } })) });
  const ways: Way[] = [];
  for (const { workers, served, key } of gates) {
    const called = { url: `${served.mcpUrl}/mcp/up`, headers: keyedHeaders(key), body: callBody() };
    ways.push({
      name: `workers-${workers}`,
      title: `keygate, workers: ${workers}`,
      ...called,
      answer: await answerOf(called),
      pids: [served.pid, ...workersOf(served.pid)],
    });
  }
  const rounds = await alternate(ways, { ...pace, wrong, measure: (way) => measure(way, { ...pace, connections }) });
  for (const { workers, place, served, keyId } of gates) {
    wrong.push(...(await finish({ place, served }, { keyIds: [keyId], priceMicros: 0, seen: await stand.seen(`/workers-${workers}`) })));
  }
  const rows = rowsOf(ways, rounds, () => 'workers-1');
  return {
    tables: [{ name: 'workers', title: `Worker processes, ${connections} connections`, rows }],
    measurements: { [measurement]: ratioOf(rounds, 'workers-2', 'workers-1', ({ callsPerSecond }) => callsPerSecond) },
    absent: {},
  };
}
