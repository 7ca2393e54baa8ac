import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatMicros } from '../src/domain/money.ts';
import { type Place, preparePlace } from '../test/process/served.ts';
import { toolCall } from '../test/support/post.ts';
import { type StartedProcess, startProcess } from '../test/support/process.ts';
import { checkCalls, checkSums } from './correct.ts';
import { type Measured, measure, type Way } from './measure.ts';
import { ratiosOf, tell } from './ratios.ts';

/**
 * `npm run load [-- --seconds N]`: proves first that the gateway is right, then says what it costs, as ratios to a bare relay measured in the
 * same run. Exit code 1 where anything was wrong, or where a call costs more than `cpuRatioMax` bare relays: a smoke alarm, not a target.
 */
const rounds = 3;
const connections = 32;
const priceMicros = 10_000;
const checkedCalls = 400;
const affordableCalls = 300;
const cpuRatioMax = 12;
/** Calls after which the compiler has seen nearly all of a process; at most `warmRoundsMax` seconds are given to it. */
const warmCalls = 20_000;
const warmRoundsMax = 10;

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '2' } } });
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1 || seconds > 60) {
  console.error('--seconds is a whole number from 1 to 60: how long each round is');
  process.exit(2);
}

const started: StartedProcess[] = [];
let place: Place | undefined;
try {
  process.exitCode = await smoke();
} finally {
  for (const child of started) child.kill('SIGKILL');
  await Promise.all(started.map(({ exited }) => exited));
  await place?.remove();
}

async function smoke(): Promise<number> {
  const stub = await startSibling('stub.ts');
  const relay = await startSibling('bare-relay.ts', `${stub.url}/relay`);
  const tools = [{ match: '*', scope: 'read:up', price: formatMicros(priceMicros) }];
  place = await preparePlace({ upstreams: { up: { url: `${stub.url}/gate`, environment: 'live', tools } } });
  const checked = await place.mint({
    scopes: ['read:up'],
    budgets: [{ amount: formatMicros(affordableCalls * priceMicros), per: 'total' }],
  });
  const timed = await place.mint({ scopes: ['read:up'], budgets: [{ amount: '1000000', per: 'total' }] });
  const gate = await place.serve({ env: { KEYGATE_LOG: 'info' } });
  const url = `${gate.mcpUrl}/mcp/up`;

  const wrong = await checkCalls({ url, key: checked.key, calls: checkedCalls, affordable: affordableCalls });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const measured = await measureAll([
    { name: 'direct', url: `${stub.url}/direct`, headers, pid: stub.pid },
    { name: 'relay', url: `${relay.url}/mcp/up`, headers, pid: relay.pid },
    { name: 'gate', url, headers: { ...headers, authorization: `Bearer ${timed.key}` }, pid: gate.pid },
  ]);
  for (const [name, each] of Object.entries(measured)) {
    for (const { wrong: count, calls } of each)
      if (count > 0 || calls === 0) wrong.push(`${name}: ${count} of ${calls} answers were wrong`);
  }
  const counts = (await (await fetch(stub.url)).json()) as { '/gate'?: number };
  gate.kill();
  const { code } = await gate.exited;
  if (code !== 0) wrong.push(`the gateway ended with ${code}`);
  wrong.push(...(await checkSums(place, { keyIds: [checked.id, timed.id], priceMicros, seen: counts['/gate'] ?? 0 })));
  const verified = await place.cli('journal', 'verify');
  if (verified.code !== 0) wrong.push(`the journal does not verify: ${verified.stdout}${verified.stderr}`);

  const ratios = ratiosOf(measured);
  const dear = !(ratios.gate.cpuPerCall.median <= cpuRatioMax);
  if (dear) wrong.push(`a call costs ${ratios.gate.cpuPerCall.median} bare relays of processor time; the smoke bound is ${cpuRatioMax}`);
  tell({ ratios, rounds, seconds, connections, checkedCalls, wrong });
  return wrong.length === 0 ? 0 : 1;
}

/** Each way in each round, in turn and in a different order, so that what else the machine does meets all of them alike. */
async function measureAll(ways: readonly Way[]): Promise<Record<Way['name'], Measured[]>> {
  const mark = 'a-mark-of-the-usual-length';
  const body = JSON.stringify(toolCall('timed', { mark, text: 'x'.repeat(200) }, 1));
  const [first] = ways;
  const answer = await (await fetch(first?.url ?? '', { method: 'POST', body })).text();
  const measured: Record<Way['name'], Measured[]> = { direct: [], relay: [], gate: [] };
  const options = { body, answer, connections };
  for (const way of ways) {
    // By calls, not by time: what is slow makes fewer in a second, and would be measured while it is still being compiled.
    for (let round = 0, calls = 0; round < warmRoundsMax && calls < warmCalls; round += 1) {
      calls += (await measure(way, { ...options, seconds: 1 })).calls;
    }
  }
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < ways.length; turn += 1) {
      const way = ways[(round + turn) % ways.length];
      if (way) measured[way.name].push(await measure(way, { ...options, seconds }));
    }
  }
  return measured;
}

async function startSibling(file: string, ...args: string[]): Promise<{ url: string; pid: number }> {
  const program = fileURLToPath(new URL(file, import.meta.url));
  const child = await startProcess(process.execPath, [program, ...args], { ready: /listening on \d+/ });
  started.push(child);
  const [, port] = await child.printed(/listening on (\d+)/);
  return { url: `http://127.0.0.1:${port}`, pid: child.pid };
}
