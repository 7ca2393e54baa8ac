import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it } from 'vitest';
import { readLines } from '../../src/authority/export-journal.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { madeUpKey } from '../support/made-up-key.ts';
import { floodPipelined } from '../support/pipelined-flood.ts';
import { post, toolCall } from '../support/post.ts';
import { rawPost } from '../support/raw-http.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';
import { type Place, preparePlace, type Served } from './served.ts';

/** Different names of a kind that are sent: KEYGATE_FLOOD=1000000 sends the million of A61, which takes some minutes for each kind. */
const names = Number(process.env['KEYGATE_FLOOD'] ?? 5_000);
/** What the first of a kind bring with them, such as compiled code, is not theirs. */
const warmUp = 1_000;
/** Still in use when all garbage is collected: what a process fills up to its bounds (10,000 digests among them), and compiles. */
const keptBytesMax = 8 * 1024 * 1024;
/** With garbage that is not collected yet: some hundred thousand requests are between two collections of everything. */
const residentBytesMax = 512 * 1024 * 1024;
const collecting = fileURLToPath(new URL('../support/collect-on-signal.mjs', import.meta.url));

const closers: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Sent {
  readonly key?: string;
  readonly tool?: string;
  readonly session?: string;
  readonly method?: string;
  readonly path?: string;
}

const floods: readonly [what: string, status: number, one: (nth: number) => Sent][] = [
  ['unknown keys', 401, (nth) => ({ key: madeUpKey(nth) })],
  ['junk in the place of keys', 401, (nth) => ({ key: `junk-${nth}` })],
  ['tool names', 403, (nth) => ({ tool: `made_up_${nth}` })],
  ['session ids', 404, (nth) => ({ tool: 'tool_0', session: Buffer.from(`session-${nth}-of-nobody-at-all-0000`).toString('base64url') })],
  ['methods', 404, (nth) => ({ method: `made/up_${nth}` })],
  ['paths', 404, (nth) => ({ path: `made-up-${nth}` })],
];

it.each(floods)(
  'A61: as many %s as anyone cares to make up: memory and labels stay bounded, and the next valid call passes',
  {
    timeout: 1_200_000,
  },
  async (what, status, one) => {
    const upstream = await startRecordingUpstream({ sessions: false });
    closers.push(() => upstream.close());
    const rules = { tools: [{ match: 'tool_*', scope: 'read:up', price: '0.01' }] };
    const limits = { failedAuthPerMinuteMax: 100_000_000 };
    const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url, rules) }, limits });
    closers.push(() => place.remove());
    const { key } = await place.mint({ scopes: ['read:up'], rate: { calls: 1_000_000, perSeconds: 1 } });
    const gate = await place.serve({ env: { NODE_OPTIONS: `--import=${collecting}` } });
    const flood = async (from: number, count: number): Promise<void> => {
      const statuses = await floodPipelined(gate.mcpUrl, count, (nth) => written(key, one(from + nth)));
      expect([...statuses]).toEqual([[status, count]]);
    };
    await flood(names, warmUp);
    const before = await keptBytes(gate, 1);
    const began = performance.now();
    await flood(0, names);
    const perSecond = (names * 1_000) / (performance.now() - began);
    const resident = residentBytes(gate);
    const kept = (await keptBytes(gate, 2)) - before;
    console.log(
      `flood.test: ${names} ${what}: ${Math.round(perSecond)} a second, ${mebibytes(kept)} more kept, ${mebibytes(resident)} resident`,
    );
    expect((await post(`${gate.mcpUrl}/mcp/up`, { key, body: toolCall('tool_0') })).status).toBe(200);
    expect(kept).toBeLessThan(keptBytesMax);
    expect(resident).toBeLessThan(residentBytesMax);
    const metrics = await (await fetch(`${gate.adminUrl}/metrics`)).text();
    expect(metrics.split('\n').filter((line) => line.startsWith('keygate_')).length).toBeLessThan(1_000);
    expect(upstream.requests.length).toBe(1);
    gate.kill();
    await gate.exited;
    const { own, counted, counts } = await refusalsIn(place);
    // Strangers are a few lines of the journal, whatever they are called; what a key's holder is refused is on record, each time.
    expect({ own, counted }).toEqual(status === 401 ? { own: 0, counted: names + warmUp } : { own: names + warmUp, counted: 0 });
    expect(counts).toBeLessThan(2 + names / 100);
  },
);

function written(own: string, { key = own, tool = 'other', session, method, path = 'up' }: Sent): string {
  const lines = [`Authorization: Bearer ${key}`, ...(session === undefined ? [] : [`Mcp-Session-Id: ${session}`])];
  return rawPost({ target: `/mcp/${path}`, lines, body: JSON.stringify({ ...toolCall(tool), ...(method !== undefined && { method }) }) });
}

/** Refusals of known keys by their records, those of strangers by their counts, and the lines that these take. A million records are not kept at once. */
async function refusalsIn(place: Place): Promise<{ own: number; counted: number; counts: number }> {
  const found = { own: 0, counted: 0, counts: 0 };
  await place.open(async ({ journal }) => {
    await journal.head();
    for await (const { text } of readLines(journal, { after: 0 })) {
      const { kind, count } = JSON.parse(text) as JournalRecord;
      if (kind === 'call.refused') found.own += 1;
      if (kind !== 'refusals.counted') continue;
      found.counted += Number(count);
      found.counts += 1;
    }
  });
  return found;
}

/** What is in use when all garbage is collected, the `nth` time that it is asked for. */
async function keptBytes(gate: Served, nth: number): Promise<number> {
  gate.kill('SIGUSR2');
  const [, bytes] = await gate.printed(new RegExp(`^collected ${nth}: (\\d+)$`, 'm'));
  return Number(bytes);
}

const mebibytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

/** Its own memory, without what is mapped of the store's file, which grows with each record. */
function residentBytes({ pid }: Served): number {
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}
