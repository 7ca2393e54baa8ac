import { parseArgs } from 'node:util';
import { Client } from 'undici';
import { toolCall } from '../test/support/post.ts';
import { exchange } from './exchange.ts';

/**
 * The callers of the scale benchmark, a process of its own: so many connections, spread evenly over the gateways, each with one call at a time.
 * Each answer is looked at: it must be the one to its own call. Prints `timing` when it has warmed up, and `timed {…}` when the time is over.
 */
const { values } = parseArgs({
  options: {
    urls: { type: 'string', default: '' },
    keys: { type: 'string', default: '' },
    tool: { type: 'string', default: 'checked' },
    connections: { type: 'string', default: '1' },
    warmMs: { type: 'string', default: '0' },
    ms: { type: 'string', default: '1000' },
  },
});
const urls = values.urls.split(',');
const keys = values.keys.split(',');
const padding = 'x'.repeat(200);
const path = '/mcp/up';

const times: number[] = [];
const wrong: string[] = [];
const clients: Client[] = [];
let made = 0;
let timing = false;
let ended = false;

const callers = Array.from({ length: Number(values.connections) }, (_, nth) => {
  const client = new Client(urls[nth % urls.length] ?? '', { pipelining: 1 });
  clients.push(client);
  return keepCalling(client);
});
setTimeout(() => {
  timing = true;
  console.log('timing');
  setTimeout(() => {
    console.log(`timed ${JSON.stringify(told())}`);
    ended = true;
  }, Number(values.ms));
}, Number(values.warmMs));
await Promise.all(callers);
await Promise.all(clients.map((client) => client.close()));
console.log(`all ${JSON.stringify({ calls: made, wrong: wrong.length, first: wrong[0] })}`);

async function keepCalling(client: Client): Promise<void> {
  while (!ended) {
    made += 1;
    const mark = `mark-${made}-of-${process.pid}`;
    const headers = {
      authorization: `Bearer ${keys[made % keys.length]}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    };
    const body = JSON.stringify(toolCall(values.tool, { mark, text: padding }, mark));
    const began = performance.now();
    const { status, text } = await exchange(client, { path, headers, body });
    if (timing && !ended) times.push(performance.now() - began);
    if (status !== 200 || !text.includes(`"id":"${mark}","result"`) || !text.includes(`${mark} `)) wrong.push(`${status} ${text}`);
  }
}

function told(): { calls: number; p50: number; p99: number } {
  times.sort((one, other) => one - other);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return { calls: times.length, p50: at(0.5), p99: at(0.99) };
}
