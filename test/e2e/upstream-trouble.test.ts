import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { JournalRecord } from '../../src/domain/record.ts';
import { type Bench, startBench } from '../support/bench.ts';
import { eventsOf, messagesOf, openStream } from '../support/event-text.ts';
import { upstreamConfig } from '../support/gateway.ts';
import {
  endWithoutResult,
  gzip,
  hang,
  hangAfterHeaders,
  html,
  hugeAnswer,
  invalidJson,
  only,
  redirect,
  resetBeforeAnswer,
  resetMidAnswer,
  resetMidStream,
  rpcError,
  slowBytes,
  status,
  wrongId,
} from '../support/misbehaviours.ts';
import { freePort } from '../support/ports.ts';
import { post, toolCall } from '../support/post.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { rpcId } from '../support/recorded-request.ts';
import { startRecordingServer } from '../support/recording-server.ts';
import { answerTo, type Respond, sendEvent, sendJson, startRecordingUpstream } from '../support/recording-upstream.ts';

const limits = {
  upstreamTimeoutMs: 300,
  holdMsMax: 5_000,
  heartbeatMs: 40,
  answerBytesMax: '256KiB',
  eventBytesMax: '64KiB',
};

let bench: Bench;
let twoAnswers: Awaited<ReturnType<typeof startTwoAnswers>>;

beforeAll(async () => {
  twoAnswers = await startTwoAnswers();
  bench = await startBench({
    config: {
      limits,
      upstreams: {
        down: upstreamConfig(`http://127.0.0.1:${await freePort()}/mcp`),
        twice: upstreamConfig(twoAnswers.url),
      },
    },
  });
});
afterAll(async () => {
  await bench.close();
  await twoAnswers.close();
});
afterEach(() => bench.alive());

interface Troubled {
  readonly answer: Awaited<ReturnType<typeof post>>;
  readonly outcome: JournalRecord;
  /** Micro-units that the key paid. */
  readonly charged: number;
}

/** One call while the upstream misbehaves: exactly one attempt, one intent, one outcome, nothing held, the charge as journalled. */
async function call(respond: Respond | undefined, { to = bench.url, id = 'own' as string | number, attempts = 1 } = {}): Promise<Troubled> {
  bench.upstream.script(respond && only('tools/call', respond));
  const before = { requests: bench.upstream.requests.length, spent: await spent() };
  const answer = await post(to, { key: bench.key, body: toolCall('echo', {}, id) });
  await bench.settled();
  expect(bench.upstream.requests.length - before.requests).toBe(attempts);
  const records = await bench.recordsOf(answer.headers.get('x-request-id'));
  expect(records.map(({ kind }) => kind)).toEqual(['call.intent', 'call.outcome']);
  const [, outcome] = records;
  if (!outcome) throw new Error('no outcome');
  const charged = (await spent()) - before.spent;
  expect(Number(outcome.charged) * 1_000_000).toBe(charged);
  return { answer, outcome, charged };
}

async function spent(): Promise<number> {
  return (await bench.usage())[0]?.spent ?? Number.NaN;
}

const price = 10_000;

describe('A49, A58, A31: an upstream that fails a call was sent it once, the call is charged, and the client hears so with its own id', () => {
  it.each<[string, Respond, { reason?: string; http?: number; journalled: number | string; upstreamStatus?: number }]>([
    ['resets after reading the request', resetBeforeAnswer, { journalled: 'reset' }],
    ['resets in the middle of its answer', resetMidAnswer, { journalled: 'reset' }],
    ['never answers', hang, { reason: 'UPSTREAM_TIMEOUT', http: 504, journalled: 'timeout' }],
    ['sends a head and nothing more', hangAfterHeaders, { reason: 'UPSTREAM_TIMEOUT', http: 504, journalled: 'timeout' }],
    ['sends one byte now and then', slowBytes(40), { reason: 'UPSTREAM_TIMEOUT', http: 504, journalled: 'timeout' }],
    ['sends HTML', html, { journalled: 200 }],
    ['sends broken JSON', invalidJson, { journalled: 200 }],
    ['answers another request', wrongId, { journalled: 200 }],
    [
      'answers a string id with a number',
      (request, response) => void sendJson(response, { ...answerTo(request), id: 1 }),
      { journalled: 200 },
    ],
    ['sends a batch', (request, response) => void sendJson(response, [answerTo(request)]), { journalled: 200 }],
    [
      'sends a request for an answer',
      (request, response) => void sendJson(response, { jsonrpc: '2.0', id: rpcId(request), method: 'ping' }),
      { journalled: 200 },
    ],
    [
      'sends two results',
      (request, response) =>
        void response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(`{"jsonrpc":"2.0","id":${JSON.stringify(rpcId(request))},"result":{},"result":{}}`),
      { journalled: 200 },
    ],
    ['sends an answer that is far too long', hugeAnswer(100_000_000), { journalled: 200 }],
    ['compresses unasked', gzip, { journalled: 200 }],
    ['takes it without an answer', (_request, response) => void response.writeHead(202).end(), { journalled: 202 }],
    [
      'sends nothing',
      (_request, response) => void response.writeHead(200, { 'content-type': 'application/json' }).end(),
      { journalled: 200 },
    ],
    ['wants a password', status(401, {}, { 'www-authenticate': 'Basic realm="x"' }), { journalled: 401, upstreamStatus: 401 }],
    ['forbids it', status(403), { journalled: 403, upstreamStatus: 403 }],
    ['does not know the path', status(404), { journalled: 404, upstreamStatus: 404 }],
    ['is busy', status(429, {}, { 'retry-after': '1' }), { journalled: 429, upstreamStatus: 429 }],
    ['fails', status(500), { journalled: 500, upstreamStatus: 500 }],
    ['is overloaded', status(503), { journalled: 503, upstreamStatus: 503 }],
  ])('one that %s', async (_name, respond, { reason = 'UPSTREAM_FAILED', http = 502, journalled, upstreamStatus }) => {
    const { answer, outcome, charged } = await call(respond);
    expect({ status: answer.status, id: answer.json.id }).toEqual({ status: http, id: 'own' });
    expect(answer.json.error?.data).toMatchObject({
      reason,
      outcome: 'unknown',
      requestId: answer.headers.get('x-request-id'),
      ...(upstreamStatus === undefined ? {} : { upstreamStatus }),
    });
    expect(answer.headers.get('www-authenticate')).toBeNull();
    expect(outcome).toMatchObject({ status: journalled, reason, decision: 'allowed' });
    expect(charged).toBe(price);
  });

  it.each([301, 302, 303, 307, 308] as const)('A24: a redirect with %s is not followed', async (code) => {
    const target = await startRecordingServer((_request, response) => void response.end('{}'));
    const { answer, outcome } = await call(redirect(`http://127.0.0.1:${target.port}/mcp`, code));
    expect(answer.status).toBe(502);
    expect(answer.headers.get('location')).toBeNull();
    expect(outcome).toMatchObject({ status: code, reason: 'UPSTREAM_FAILED', charged: '0.01' });
    expect(target.connections()).toBe(0);
    await target.close();
  });

  it('one that refuses the connection: nothing was sent, so nothing is charged', async () => {
    const { answer, outcome, charged } = await call(undefined, { to: `${bench.gate.url}/mcp/down`, id: 5, attempts: 0 });
    expect({ status: answer.status, id: answer.json.id }).toEqual({ status: 502, id: 5 });
    expect(answer.json.error?.data).toMatchObject({ reason: 'UPSTREAM_FAILED', outcome: 'not-sent' });
    expect(outcome).toMatchObject({ status: 'connect', reason: 'UPSTREAM_FAILED', charged: '0' });
    expect(charged).toBe(0);
  });

  it.each<[string, Respond, number]>([
    ['a JSON-RPC error', rpcError(-32000, 'no'), 200],
    ['a JSON-RPC error with 400', rpcError(-32602, 'bad', 400), 400],
    ['a JSON-RPC error with 404', rpcError(-32601, 'unknown', 404), 404],
    [
      'a tool error',
      (request, response) => void sendJson(response, { jsonrpc: '2.0', id: rpcId(request), result: { isError: true, content: [] } }),
      200,
    ],
  ])('A31: %s goes on as it is and is charged like a success, as JSON and as an event', async (_name, respond, http) => {
    const asJson = await call(respond);
    expect({ status: asJson.answer.status, id: asJson.answer.json.id }).toEqual({ status: http, id: 'own' });
    expect(asJson.charged).toBe(price);
    if (http !== 200) return;
    const asEvent = await call((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify({ ...JSON.parse(asJson.answer.text), id: rpcId(request) })}\n\n`);
    });
    expect(messagesOf(asEvent.answer.text)).toEqual([asJson.answer.json]);
    expect(asEvent.charged).toBe(price);
  });

  it('an error that names no id gets the caller’s', async () => {
    const { answer } = await call(status(400, { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'unreadable' } }));
    expect({ status: answer.status, ...answer.json }).toEqual({
      status: 400,
      jsonrpc: '2.0',
      id: 'own',
      error: { code: -32600, message: 'unreadable' },
    });
  });

  it('a list that is no list is a failure, not silence', async () => {
    for (const send of [sendJson, sendEvent]) {
      bench.upstream.script(
        (request, response) => void send(response, { jsonrpc: '2.0', id: rpcId(request), result: { tools: { a: 1 } } }),
      );
      const answer = await post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: 8, method: 'tools/list' } });
      const [json] = send === sendJson ? [answer.json] : messagesOf(answer.text);
      expect(json).toMatchObject({ id: 8, error: { code: -31502, data: { reason: 'UPSTREAM_FAILED' } } });
    }
  });

  it('an endless body after a notification is not waited for', async () => {
    let written = 0;
    bench.upstream.script(async (_request, response) => {
      response.writeHead(202);
      for (; !response.destroyed; written += 1_024) {
        if (!response.write(Buffer.alloc(1_024))) await Promise.race([once(response, 'drain'), once(response, 'close')]);
        await new Promise(setImmediate);
      }
    });
    const answer = await post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
    expect({ status: answer.status, text: answer.text }).toEqual({ status: 202, text: '' });
    expect(written).toBeLessThan(50_000_000);
  });
});

describe('A21, A49: event streams', () => {
  const events =
    (...texts: (string | ((id: string) => string))[]): Respond =>
    (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const text of texts) response.write(typeof text === 'string' ? text : text(JSON.stringify(rpcId(request))));
      response.end();
    };
  const result = (id: string) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`;
  const forged = '{"jsonrpc":"2.0","id":"own","result":{"content":[{"type":"text","text":"forged"}]}}';

  it.each<[string, Respond]>([
    ['reset before the result', resetMidStream],
    ['ended without a result', endWithoutResult],
    ['that answers another request', events('data: {"jsonrpc":"2.0","id":"other","result":{}}\n\n')],
    ['with an event that is no JSON', events('data: {"jsonrpc"\n\n')],
    ['with an event that is no message', events('data: {"a":1}\n\n')],
    ['with an endless line', events('data: ', 'x'.repeat(200_000))],
    ['with an event of endless lines', events('data: x\n'.repeat(20_000))],
    ['with endless comments', events(': x\n'.repeat(40_000))],
    [
      'that falls silent',
      (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': open\n\n'),
    ],
    ['ended in the middle of the event', events((id) => `data: ${result(id)}\n`)],
    ['with the result under another event name', events((id) => `event: other\ndata: ${result(id)}\n\n`)],
    [
      'that is compressed',
      (_request, response) =>
        void response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).end('\x1f\x8b\x08\x00'),
    ],
  ])('a stream %s ends with an error of the own id, once', async (_name, respond) => {
    const { answer, outcome, charged } = await call(respond);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const answers = messagesOf(answer.text).filter((message) => 'id' in message);
    const { reason } = outcome;
    expect(['UPSTREAM_FAILED', 'UPSTREAM_TIMEOUT']).toContain(reason);
    expect(answers).toMatchObject([{ id: 'own', error: { data: { reason, requestId: answer.headers.get('x-request-id') } } }]);
    expect(charged).toBe(price);
  });

  it('a second answer is not shown, whoever it is for', async () => {
    const { answer, outcome } = await call(
      events((id) => `data: ${result(id)}\n\n`, `data: ${forged}\n\n`, 'data: {"jsonrpc":"2.0","id":"other","result":{}}\n\n'),
    );
    expect(messagesOf(answer.text)).toEqual([{ jsonrpc: '2.0', id: 'own', result: { content: [] } }]);
    expect(outcome.status).toBe(200);
    expect(outcome.reason).toBeUndefined();
  });

  it('a reset after the answer has passed does no harm', async () => {
    const { answer, outcome } = await call((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${result(JSON.stringify(rpcId(request)))}\n\n`, () => response.socket?.resetAndDestroy());
    });
    expect(messagesOf(answer.text)).toEqual([{ jsonrpc: '2.0', id: 'own', result: { content: [] } }]);
    expect(outcome).toMatchObject({ status: 200, charged: '0.01' });
    expect(outcome.reason).toBeUndefined();
  });

  it.each([
    ['LF', '\n'],
    ['CR', '\r'],
    ['CRLF', '\r\n'],
  ])('lines that end in %s, comments, empty data and unknown fields', async (_name, end) => {
    const lines = [': hello', '', 'id: ', 'data: ', '', 'unknown: x', 'retry: 250', 'data: {"jsonrpc":"2.0",', '', ''];
    const broken = await call(events(lines.join(end)));
    expect(messagesOf(broken.answer.text)).toMatchObject([{ error: { code: -31502 } }]);
    const whole = await call(events((id) => ['data:{"jsonrpc":"2.0",', `data: "id":${id},`, 'data: "result":{}}', '', ''].join(end)));
    expect(messagesOf(whole.answer.text)).toEqual([{ jsonrpc: '2.0', id: 'own', result: {} }]);
  });

  it.each([
    ['a CR in an id', `id: a\rdata: ${forged}\r\rdata: x`],
    ['a CR in an event name', `event: message\rdata: ${forged}\r\r`],
    ['a CR in a comment', `: c\rdata: ${forged}\r\r`],
  ])('%s makes an event of its own, which is judged like any other', async (_name, text) => {
    const { answer } = await call(events(`${text}\n\n`, (id) => `data: ${result(id)}\n\n`));
    // The stub answered twice; the client sees one answer, on lines that end in LF only.
    expect(answer.text).not.toContain('\r');
    expect(messagesOf(answer.text).filter((message) => 'id' in message).length).toBe(1);
  });

  it('ids of events leave sealed, on one line, and empty ones stay empty', async () => {
    const { answer } = await call(events('id: upstream-17\nretry: 20\ndata: \n\n', (id) => `id: \0x\ndata: ${result(id)}\n\n`));
    expect(answer.text).not.toContain('upstream-17');
    const [first, second] = eventsOf(answer.text).filter(({ comment }) => comment === undefined);
    expect(first).toMatchObject({ id: expect.stringMatching(/^[\w-]{40,}$/), retry: '20', data: '' });
    expect(second?.id).toBeUndefined();
  });
});

describe('streams are passed on at once', () => {
  const accept = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
  const posted = (id: string) => ({
    method: 'POST',
    headers: { ...accept, authorization: `Bearer ${bench.key}` },
    body: JSON.stringify(toolCall('echo', {}, id)),
  });
  const listening = () => ({ headers: { accept: 'text/event-stream', authorization: `Bearer ${bench.key}` } });

  it('an event is seen before the next is sent', async () => {
    const go = Promise.withResolvers<void>();
    bench.upstream.script(
      only('tools/call', async (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write('data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"first"}}\n\n');
        await go.promise;
        response.end(`data: ${JSON.stringify(answerTo(request))}\n\n`);
      }),
    );
    const stream = await openStream(bench.url, posted('slow'));
    await stream.seen(/first/);
    expect(stream.text()).not.toContain('result');
    go.resolve();
    expect(messagesOf(await stream.ended).length).toBe(2);
    expect(stream.headers.get('cache-control')).toContain('no-transform');
    expect(stream.headers.get('x-accel-buffering')).toBe('no');
  });

  it('the head of a GET stream comes before any event, a quiet one gets comments, and one that was left is closed upstream', async () => {
    const stream = await openStream(bench.url, listening());
    expect({ status: stream.status, type: stream.headers.get('content-type') }).toEqual({ status: 200, type: 'text/event-stream' });
    expect(stream.text().replaceAll(': keepalive\n\n', '')).toBe('');
    await stream.seen(/(?:: keepalive\n\n){3}/);
    bench.upstream.push({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' });
    await stream.seen(/list_changed/);
    const [opened] = bench.upstream.requests.slice(-1);
    stream.leave();
    expect(await opened?.answered).toBe(false);
    const outcome = (await bench.settled()).at(-1);
    expect(outcome).toMatchObject({ method: 'stream/open', status: 'client-gone', charged: '0' });
    expect(bench.gate.gateway.composed.live.size).toBe(0);
  });

  it('a stream whose call takes long is kept open by comments', async () => {
    bench.upstream.script(
      only('tools/call', async (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        await new Promise((resolve) => setTimeout(resolve, 150));
        response.end(`data: ${JSON.stringify(answerTo(request))}\n\n`);
      }),
    );
    const stream = await openStream(bench.url, posted('long'));
    const text = await stream.ended;
    expect(eventsOf(text).filter(({ comment }) => comment === 'keepalive').length).toBeGreaterThanOrEqual(2);
    expect(messagesOf(text)).toMatchObject([{ id: 'long', result: {} }]);
  });

  it.each([
    ['before the head', hang],
    ['in the middle of a JSON answer', hangAfterHeaders],
    [
      'in the middle of a stream',
      ((_request, response) =>
        void response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .write('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n')) as Respond,
    ],
  ])('a client that leaves %s: the upstream connection is closed, the call charged, nothing held', async (_name, respond) => {
    bench.upstream.script(only('tools/call', respond));
    const before = { requests: bench.upstream.requests.length, spent: await spent() };
    const leaving = new AbortController();
    const call = fetch(bench.url, { ...posted('gone'), signal: leaving.signal }).catch(() => undefined);
    const [reached] = (await bench.upstream.received(before.requests + 1)).slice(-1);
    leaving.abort();
    expect(await reached?.answered).toBe(false);
    await call;
    expect((await bench.settled()).at(-1)).toMatchObject({ status: 'client-gone', charged: '0.01' });
    expect((await spent()) - before.spent).toBe(price);
    expect(bench.upstream.requests.length).toBe(before.requests + 1);
  });

  it('a client that reads slowly slows the upstream down, and in the end gets everything', async () => {
    const event = `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${'x'.repeat(32_000)}"}}\n\n`;
    const total = 3_000;
    let written = 0;
    bench.upstream.script(
      only('tools/call', async (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        for (; written < total; written += 1) {
          if (!response.write(event)) await Promise.race([once(response, 'drain'), request.answered]);
        }
        response.end(`data: ${JSON.stringify(answerTo(request))}\n\n`);
      }),
    );
    const socket = openRaw(bench.url);
    let [received, tail] = [0, ''];
    const over = once(socket, 'close');
    socket.pause();
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-400);
    });
    const lines = [`Authorization: Bearer ${bench.key}`, 'Connection: close'];
    socket.pause();
    socket.write(rawPost({ lines, body: JSON.stringify(toolCall('echo', {}, 'slow reader')) }));
    const stalled = await untilSteady(() => written);
    // What is under way fits the buffers of two connections; the rest waits at its source.
    expect(stalled).toBeLessThan(total / 2);
    socket.resume();
    await over;
    expect(written).toBe(total);
    expect(received).toBeGreaterThan(total * event.length);
    expect(tail).toContain('"id":"slow reader","result"');
  });

  it('F48 A15: a client that reads nothing at all is cut when it has taken nothing for as long as an upstream may be silent', async () => {
    const event = `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"data":"${'x'.repeat(32_000)}"}}\n\n`;
    bench.upstream.script(
      only('tools/call', async (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        while (!response.destroyed) if (!response.write(event)) await Promise.race([once(response, 'drain'), request.answered]);
      }),
    );
    const before = bench.upstream.requests.length;
    const socket = openRaw(bench.url);
    socket.on('error', () => undefined);
    socket.pause();
    socket.write(rawPost({ lines: [`Authorization: Bearer ${bench.key}`], body: JSON.stringify(toolCall('echo', {}, 'deaf')) }));
    const [reached] = (await bench.upstream.received(before + 1)).slice(-1);
    expect(await reached?.answered).toBe(false);
    expect((await bench.settled()).at(-1)).toMatchObject({ status: 'client-gone', charged: '0.01' });
    socket.destroy();
  });
});

describe('A25: an answer nobody asked for', () => {
  it.each(['at once', 'later'])('sent %s on a connection that is kept is not delivered to the next caller', async (when) => {
    twoAnswers.extraAfterMs = when === 'later' ? 30 : 0;
    const url = `${bench.gate.url}/mcp/twice`;
    const first = await post(url, { key: bench.key, body: toolCall('echo', {}, 1) });
    expect(first.json.result).toEqual({ content: [{ type: 'text', text: 'own answer 1' }] });
    if (when === 'later') await twoAnswers.extraSent();
    const other = await bench.gate.mint({ scopes: ['manage'] });
    const next = await post(url, { key: other.key, body: toolCall('echo', {}, 1) });
    expect(next.text).not.toContain('unsolicited');
    expect(next.json.result).toEqual({ content: [{ type: 'text', text: 'own answer 1' }] });
  });
});

describe('a configuration that changes while a request is being sent', () => {
  it.each(['left', 'moved'])('an upstream that has %s gets nothing, and nothing is charged', async (how) => {
    const elsewhere = await startRecordingUpstream();
    const moving = await startRecordingUpstream();
    const own = await startBench({ config: { upstreams: { moving: upstreamConfig(moving.url) } } });
    const body = JSON.stringify(toolCall('echo', {}, 'late'));
    const socket = openRaw(own.url);
    socket.setEncoding('utf8');
    let text = '';
    const over = once(socket, 'close');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    const whole = rawPost({ target: '/mcp/moving', lines: [`Authorization: Bearer ${own.key}`, 'Connection: close'], body });
    socket.write(whole.slice(0, -10));
    // The admin listener answers after the head above was taken in: both were written to the same process.
    await post(own.url, { key: own.key, body: { jsonrpc: '2.0', id: 1, method: 'ping' } });
    const config = {
      listen: { mcp: '127.0.0.1:0', admin: '127.0.0.1:0' },
      upstreams: { up: upstreamConfig(own.upstream.url), ...(how === 'moved' ? { moving: upstreamConfig(elsewhere.url) } : {}) },
    };
    await writeFile(own.gate.configFile, JSON.stringify(config));
    await own.gate.gateway.reload();
    socket.write(whole.slice(-10));
    await over;
    expect(text).toContain('"id":"late"');
    expect(text).toContain('"reason":"UPSTREAM_FAILED"');
    expect(text).toContain('"outcome":"not-sent"');
    expect([moving.requests.length, elsewhere.requests.length]).toEqual([0, 0]);
    expect((await own.settled()).at(-1)).toMatchObject({ charged: '0', upstream: 'moving' });
    expect(own.gate.gateway.composed.live.size).toBe(0);
    await own.alive();
    await own.close();
    await moving.close();
    await elsewhere.close();
  });
});

/** Resolves with the value once it has not changed for a while. */
async function untilSteady(read: () => number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 8; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const now = read();
    same = now === last && now > 0 ? same + 1 : 0;
    last = now;
  }
  return last;
}

/** An upstream that sends, after each answer, another one that nobody asked for, with the id that most clients use. */
async function startTwoAnswers() {
  const sockets = new Set<Socket>();
  let extra = Promise.withResolvers<void>();
  const settings = { extraAfterMs: 0 };
  const answer = (text: string) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [{ type: 'text', text }] } });
    return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => {
      extra = Promise.withResolvers();
      if (settings.extraAfterMs === 0) return void socket.write(answer('own answer 1') + answer('unsolicited'));
      socket.write(answer('own answer 1'));
      setTimeout(() => socket.write(answer('unsolicited'), () => setTimeout(extra.resolve, 20)), settings.extraAfterMs);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return Object.assign(settings, {
    url: `http://127.0.0.1:${address.port}/mcp`,
    extraSent: () => extra.promise,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}
