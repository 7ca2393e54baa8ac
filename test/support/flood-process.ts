import { Agent, request } from 'undici';
import { madeUpKey } from './made-up-key.ts';
import { toolCall } from './post.ts';

/**
 * A program that sends so many requests a second that are all to be refused: keys, tools and methods that nobody knows, in turn, each another one.
 * `node flood-process.ts URL KEY RATE` prints `flooding` once some hundreds were answered; at SIGTERM it prints how many were answered with which status,
 * as JSON, and ends. Stopped and continued it goes on as before, without what it has missed.
 */
const [url = '', key = '', rate = '0'] = process.argv.slice(2);
const connections = 32;
const tickMs = 5;
/** What the first bring with them, such as compiled code on both sides, is over by then. */
const warmUp = 1_000;

const agent = new Agent({ connections });
const statuses: Record<string, number> = {};
let [due, sent, running, answered] = [0, 0, 0, 0];

setInterval(() => {
  due += (Number(rate) * tickMs) / 1_000;
  // What cannot be sent in time is left out: a flood does not wait.
  for (; sent < due; sent += 1) if (running < connections) void send(sent);
}, tickMs);
process.once('SIGTERM', () => {
  console.log(JSON.stringify(statuses));
  process.exit(0);
});

async function send(nth: number): Promise<void> {
  running += 1;
  const sort = nth % 3;
  const body = { ...toolCall(sort === 1 ? `made_up_${nth}` : 'tool_0'), ...(sort === 2 && { method: `made/up_${nth}` }) };
  const authorization = `Bearer ${sort === 0 ? madeUpKey(nth) : key}`;
  const headers = { 'content-type': 'application/json', accept: '*/*', authorization };
  const answer = await request(url, { dispatcher: agent, method: 'POST', headers, body: JSON.stringify(body) });
  await answer.body.dump();
  running -= 1;
  answered += 1;
  if (answered === warmUp) console.log('flooding');
  statuses[answer.statusCode] = (statuses[answer.statusCode] ?? 0) + 1;
}
