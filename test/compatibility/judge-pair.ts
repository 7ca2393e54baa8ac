import type { Connected, MatrixClient } from './connected.ts';
import { callReached, cancelReached, isCall } from './heard.ts';
import type { MatrixUpstream, Running } from './upstreams.ts';

export const operations = ['connect', 'list', 'call', 'stream', 'cancel', 'refuse'] as const;
export type Operation = (typeof operations)[number];

export type Cell = { readonly status: 'ok' } | { readonly status: 'n/a' | 'failed'; readonly why: string };
export type Pair = Readonly<Record<Operation, Cell>>;

/** Longest for one operation, in ms: the slowest client starts a program for each. */
const operationMsMax = 30_000;

export interface Stand {
  readonly client: MatrixClient;
  readonly upstream: MatrixUpstream;
  readonly running: Running;
  readonly url: string;
  readonly key: string;
}

/** Goes through the six operations of one client at one upstream, each judged by what the client saw and what the server was sent. */
export async function judgePair(stand: Stand): Promise<Pair> {
  const { client, url, key } = stand;
  const cells = {} as Record<Operation, Cell>;
  let connected: Connected | undefined;
  cells.connect = await judge(async () => {
    connected = await client.connect(url, key);
  });
  const open = connected;
  if (open === undefined) {
    const same = cells.connect;
    for (const operation of operations) cells[operation] = same;
    return cells;
  }
  try {
    cells.list = await judge(() => judgeList(stand, open));
    cells.call = await judge(() => judgeCall(stand, open));
    cells.stream = await judge(() => judgeStream(stand, open));
    cells.cancel = await judge(() => judgeCancel(stand, open));
    cells.refuse = await judge(() => judgeRefusal(stand, open));
  } finally {
    await open.close().catch(() => undefined);
  }
  return cells;
}

/** Thrown where an operation has nothing to judge. */
class NotApplicable extends Error {}

async function judge(operate: () => Promise<void>): Promise<Cell> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`nothing within ${operationMsMax / 1_000} s`)), operationMsMax);
  try {
    await Promise.race([operate(), late.promise]);
    return { status: 'ok' };
  } catch (problem) {
    const why = problem instanceof Error ? problem.message : String(problem);
    if (problem instanceof NotApplicable) return { status: 'n/a', why };
    return { status: 'failed', why: oneLine(why) };
  } finally {
    clearTimeout(timer);
  }
}

/** Everything the key may call is there, and what it may not is not. */
async function judgeList({ upstream }: Stand, connected: Connected): Promise<void> {
  const names = await connected.list();
  if (!names.includes(upstream.call.tool)) throw new Error(`${upstream.call.tool} is not listed`);
  if (names.includes(upstream.refused.tool)) throw new Error(`${upstream.refused.tool} is listed`);
}

async function judgeCall({ upstream }: Stand, connected: Connected): Promise<void> {
  const said = await connected.call(upstream.call);
  if (!upstream.call.expect.test(said)) throw new Error(`the answer was ${said}`);
}

async function judgeStream({ upstream }: Stand, connected: Connected): Promise<void> {
  if (upstream.stream === undefined) throw new NotApplicable('no tool of this server reports progress');
  const { text, progress } = await connected.stream(upstream.stream);
  if (!upstream.stream.expect.test(text)) throw new Error(`the answer was ${text}`);
  if (progress === 0) throw new Error('no progress was shown');
}

/** The client gives up, the server is told, and the connection still serves. */
async function judgeCancel({ client, upstream, running }: Stand, connected: Connected): Promise<void> {
  if (upstream.long === undefined) throw new NotApplicable('no tool of this server runs long');
  if (!connected.cancel) throw new NotApplicable(`${client.name} cannot give a call up: ${client.noCancel}`);
  const { heard } = running;
  const after = (await heard.messages()).length;
  await connected.cancel(upstream.long, callReached(heard, { tool: upstream.long.tool, after }));
  await cancelReached(heard, after);
  const said = await connected.call(upstream.call);
  if (!upstream.call.expect.test(said)) throw new Error(`after that the answer was ${said}`);
}

/** The client is told of an error, and the server hears nothing of the call. */
async function judgeRefusal({ upstream, running }: Stand, connected: Connected): Promise<void> {
  const { heard } = running;
  const after = (await heard.messages()).length;
  const said = await connected.call(upstream.refused).then(
    (text) => text,
    () => undefined,
  );
  if (said !== undefined) throw new Error(`it was answered: ${said}`);
  const reached = (await heard.messages()).slice(after).filter((text) => isCall(text, upstream.refused.tool));
  if (reached.length > 0) throw new Error('the server heard of the refused call');
}

/** Fit for a table; nothing of this machine's folders or ports stays in it. */
function oneLine(text: string): string {
  const plain = text
    .replace(/(?:\/[\w.@-]+){2,}/g, '…')
    .replace(/127\.0\.0\.1:\d+/g, '127.0.0.1')
    .replace(/kg_live_\w+/g, '…')
    .replace(/[|\s]+/g, ' ')
    .trim();
  return plain.length > 160 ? `${plain.slice(0, 159)}…` : plain;
}
