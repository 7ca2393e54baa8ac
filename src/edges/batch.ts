import { splitBatch } from '../domain/batch.ts';
import type { Scanned } from '../domain/message.ts';
import { scan } from '../domain/scan.ts';
import type { Reply } from '../ports/reply.ts';
import { authenticate } from '../stages/authenticate.ts';
import type { Ports } from '../stages/ports.ts';
import type { Reached, Received } from '../stages/reached.ts';
import { refuse } from '../stages/refuse.ts';
import { stand } from '../stages/stand.ts';
import { createBatchRoom } from './batch-room.ts';
import { type CapturedAnswer, createCapture, eventOf } from './captured-reply.ts';
import { inTurns } from './in-turns.ts';

type Serve = (received: Received) => Promise<void>;

/** The one version that has batches (2025-03-26, base protocol, batching); it also is what a client without the header speaks. */
const batchVersion = '2025-03-26';
/** Elements of one batch that are under way at a time. */
const elementsAtOnceMax = 8;

/**
 * Serves a JSON array: each element goes through the gateway alone, so each is decided, journalled and charged alone, and the answers go
 * back together. Where the protocol has no batches, or this is none, it is refused whole and nothing is sent on.
 */
export function createBatch(ports: Ports, serve: Serve): (received: Received, array: Buffer) => Promise<void> {
  return async (received, array) => {
    const elements = readElements(received, array);
    // The gateway refuses it in its own order: first who is calling, then where to, then this.
    if (typeof elements === 'string')
      return serve({ ...received, scanned: { ok: false, reason: 'INVALID_MESSAGE', detail: elements, id: null } });
    let reached: Reached = received;
    try {
      const authenticated = await authenticate(ports, received);
      reached = authenticated;
      stand(authenticated);
    } catch (thrown) {
      return refuse(ports, reached, thrown);
    }
    await serveElements(serve, received, elements);
  };
}

/** The elements, or why the whole is refused. */
function readElements({ headers, policy }: Received, array: Buffer): Scanned[] | string {
  const version = headers['mcp-protocol-version'];
  if (version !== undefined && version !== batchVersion) return `Only protocol ${batchVersion} has batches: send one message per request.`;
  const { jsonDepthMax, jsonNodesMax, batchMax } = policy.limits;
  const limits = { depthMax: jsonDepthMax, nodesMax: jsonNodesMax };
  const spans = splitBatch(array, { limits, elementsMax: batchMax });
  if (typeof spans === 'string') return spans;
  if (spans.length > batchMax) return `The batch has more than ${batchMax} messages.`;
  const elements = spans.map(({ start, end }) => scan(array.subarray(start, end), limits));
  const ids = new Set<string>();
  for (const element of elements) {
    if (!element.ok || element.message.kind !== 'request') continue;
    if (element.message.method === 'initialize') return 'initialize must not be part of a batch.';
    const id = JSON.stringify(element.message.id);
    // Nobody could tell their answers apart.
    if (ids.has(id)) return 'Two requests of the batch have the same id.';
    ids.add(id);
  }
  return elements;
}

async function serveElements(serve: Serve, received: Received, elements: readonly Scanned[]): Promise<void> {
  const { reply, policy } = received;
  const capture = createCapture(reply);
  const stream = createBatchStream(reply);
  const fitted = createBatchRoom(policy.limits.answerBytesMax);
  const served: Promise<void>[] = [];
  const answers = await inTurns(elements, elementsAtOnceMax, async (scanned): Promise<CapturedAnswer> => {
    const expects = !scanned.ok || scanned.message.kind === 'request';
    const captured = capture({
      bytesMax: policy.limits.answerBytesMax,
      onHead: (status, headers) => {
        if (expects && status === 200 && String(headers['content-type']).startsWith('text/event-stream')) stream.open();
      },
      onEvents: stream.write,
    });
    const done = serve({ ...received, scanned, reply: captured.reply });
    served.push(done);
    // A fault that ends the gateway's promise without an answer must not leave the batch waiting.
    done.then(captured.abandon, captured.abandon);
    const answer = fitted({ ...received, scanned }, await captured.ended);
    if (expects) stream.answered(answer);
    return answer;
  });
  if (!reply.closed) {
    if (stream.opened) reply.end();
    else answerWhole(reply, elements, answers);
  }
  await Promise.all(served);
}

/** Where any answer is a stream, all of them go out as events, each as soon as it is there (2025-03-26, transports, sending messages). */
function createBatchStream(reply: Reply) {
  const waiting: Buffer[] = [];
  let opened = false;
  const send = (body: Buffer): void => void reply.write(eventOf(body));
  return {
    get opened() {
      return opened;
    },
    open(): void {
      if (opened || reply.closed) return;
      opened = true;
      reply.head(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }, true);
      for (const body of waiting.splice(0)) send(body);
    },
    write: (chunk: string): boolean => reply.write(chunk),
    answered({ headers, body }: CapturedAnswer): void {
      if (body.length === 0 || !String(headers['content-type'] ?? '').startsWith('application/json')) return;
      if (opened) send(body);
      else waiting.push(body);
    },
  };
}

function answerWhole(reply: Reply, elements: readonly Scanned[], answers: readonly CapturedAnswer[]): void {
  const lost = answers.find(isSessionLost);
  const entries = answers.filter(({ body }, at) => body.length > 0 && !isSilent(elements[at]));
  // Where every element is refused for its session the client must hear it as it would for one: 404, and it initializes again.
  if (lost && answers.every(isSessionLost)) return void answerAs(reply, lost);
  const refused = answers.find(({ status }) => status !== undefined && status >= 400);
  if (entries.length === 0) {
    if (refused && answers.every(({ status }) => status === undefined || status >= 400)) return void answerAs(reply, refused);
    reply.head(202, { 'content-length': '0' });
    return void reply.end();
  }
  const body = Buffer.from(`[${entries.map((entry) => entry.body.toString('utf8')).join(',')}]`);
  reply.head(200, { 'content-type': 'application/json', 'content-length': String(body.length), 'cache-control': 'no-store' });
  reply.end(body);
}

/** JSON-RPC 2.0, section 6: nothing is answered to a notification, nor to a response. */
function isSilent(element: Scanned | undefined): boolean {
  return element?.ok === true && element.message.kind !== 'request';
}

function isSessionLost({ status, body }: CapturedAnswer): boolean {
  return status === 404 && body.includes('"SESSION_NOT_FOUND"');
}

function answerAs(reply: Reply, { status, headers, body }: CapturedAnswer): void {
  reply.head(status ?? 500, headers);
  reply.end(body);
}
