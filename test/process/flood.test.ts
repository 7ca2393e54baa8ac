import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { afterEach, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { madeUpKey } from '../support/made-up-key.ts';
import { toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { preparePlace, type Served } from './served.ts';

/** Different names of each kind that are sent: KEYGATE_FLOOD=1000000 sends the million of A61, by hand. */
const names = Number(process.env['KEYGATE_FLOOD'] ?? 2_500);
/** For what a process fills up to its bounds (10,000 digests, 100,000 addresses), compiles and does not collect at once. */
const grownBytesMax = 80 * 1024 * 1024;
const atOnce = 48;

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('A61: as many unknown keys, tool names and sessions as anyone cares to make up: memory and labels stay bounded, and the next valid call passes', {
  timeout: 3_600_000,
}, async () => {
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const rules = { tools: [{ match: 'tool_*', scope: 'read:up', price: '0.01' }] };
  const limits = { failedAuthPerMinuteMax: 100_000_000 };
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url, rules) }, limits });
  closers.push(() => place.remove());
  const { key } = await place.mint({ scopes: ['read:up'] });
  const gate = await place.serve();
  const agent = new Agent({ connections: atOnce });
  closers.push(() => agent.close());
  const send = async (sent: { key?: string; tool?: string; session?: string; method?: string; path?: string }): Promise<number> => {
    const headers = {
      ...{ 'content-type': 'application/json', accept: '*/*', authorization: `Bearer ${sent.key ?? key}` },
      ...(sent.session === undefined ? {} : { 'mcp-session-id': sent.session }),
    };
    const message = { ...toolCall(sent.tool ?? 'other'), ...(sent.method === undefined ? {} : { method: sent.method }) };
    const { statusCode, body } = await request(`${gate.mcpUrl}/mcp/${sent.path ?? 'up'}`, {
      ...{ dispatcher: agent, method: 'POST', headers, body: JSON.stringify(message) },
    });
    await body.dump();
    return statusCode;
  };
  const floods: readonly [string, number, (nth: number) => Parameters<typeof send>[0]][] = [
    ['unknown keys', 401, (nth) => ({ key: madeUpKey(nth) })],
    ['junk in the place of keys', 401, (nth) => ({ key: `junk-${nth}` })],
    ['tool names', 403, (nth) => ({ tool: `made_up_${nth}` })],
    ['sessions', 404, (nth) => ({ tool: 'tool_0', session: Buffer.from(`session-${nth}-of-nobody-at-all-0000`).toString('base64url') })],
    ['methods', 404, (nth) => ({ method: `made/up_${nth}` })],
    ['paths', 404, (nth) => ({ path: `made-up-${nth}` })],
  ];
  // What the first of each kind bring with them, such as compiled code, is not theirs.
  for (const [what, status, one] of floods) await sendMany(what, status, (nth) => send(one(-1 - nth)), 500);
  const before = residentBytes(gate);
  for (const [what, status, one] of floods) await sendMany(what, status, (nth) => send(one(nth)), names);
  const grown = residentBytes(gate) - before;
  console.log(`flood.test: ${names} of each of ${floods.length} kinds: ${Math.round(grown / 1_048_576)} MiB more resident`);
  expect(await send({ tool: 'tool_0' })).toBe(200);
  expect(grown).toBeLessThan(grownBytesMax);
  const metrics = await (await fetch(`${gate.adminUrl}/metrics`)).text();
  expect(metrics.split('\n').filter((line) => line.startsWith('keygate_')).length).toBeLessThan(1_000);
  expect(upstream.requests.length).toBe(1);
  gate.kill();
  await gate.exited;
  // Strangers are a few lines of the journal, whatever they are called.
  const counted = await place.journal('refusals.counted');
  expect(counted.reduce((sum, { count }) => sum + Number(count), 0)).toBe(2 * (names + 500));
  expect(counted.length).toBeLessThan(2 + names / 100);
});

async function sendMany(what: string, status: number, one: (nth: number) => Promise<number>, count: number): Promise<void> {
  let next = 0;
  const turn = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      expect(await one(next), what).toBe(status);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, turn));
}

/** Its own memory, without what is mapped of the store's file, which grows with each record. */
function residentBytes({ pid }: Served): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}
