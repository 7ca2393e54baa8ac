import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { beginSession } from '../support/raw-session.ts';
import { rpcId, rpcMethod } from '../support/recorded-request.ts';
import { type RecordingServer, startRecordingServer } from '../support/recording-server.ts';
import { answerTo } from '../support/recording-upstream.ts';

const limits = { upstreamTimeoutMs: 2_000, eventBytesMax: '64KiB', answerBytesMax: '64KiB' };
/** The streams that are open at the server. */
let streams: ServerResponse[];
/** What the next stream begins with, and how a message is answered; undefined for the ordinary way. */
let begin: ((response: ServerResponse) => void) | undefined;
let answer: ((method: string | undefined, response: ServerResponse, ordinary: () => void) => void) | undefined;
let server: RecordingServer;
let gate: TestGateway;
let key: string;

const event = (name: string, text: string) => `event: ${name}\ndata: ${text}\n\n`;

beforeEach(async () => {
  streams = [];
  begin = undefined;
  answer = undefined;
  server = await startRecordingServer((request, response) => {
    if (request.method === 'GET') {
      if (begin) return begin(response);
      streams.push(response.writeHead(200, { 'content-type': 'text/event-stream' }));
      response.write(event('endpoint', `/messages?session=${streams.length}`));
      return;
    }
    const ordinary = () => {
      const said = answerTo(request);
      response.writeHead(202).end('Accepted');
      const at = Number(/session=(\d+)/.exec(request.url)?.[1] ?? 0) - 1;
      if (said) streams[at]?.write(event('message', JSON.stringify(said)));
    };
    if (answer) answer(rpcMethod(request), response, ordinary);
    else ordinary();
  });
  gate = await startTestGateway({
    upstreams: {
      up: {
        ...{ url: `http://127.0.0.1:${server.port}/sse`, transport: 'sse', environment: 'live' },
        credential: { header: 'authorization', value: 'Bearer upstream-secret' },
        tools: [{ match: '*', scope: 'read:up', price: '0.01' }],
      },
    },
    limits,
  });
  key = (await gate.mint({ scopes: ['read'] })).key;
});
afterEach(async () => {
  await gate.close();
  await server.close();
});

const url = () => `${gate.url}/mcp/up`;
const initialize = {
  ...{ jsonrpc: '2.0', id: 'i', method: 'initialize' },
  params: { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
const tryToBegin = async () => {
  const { status, json } = await post(url(), { key, body: initialize });
  return [status, json.error?.data['reason'], json.error?.data['outcome']];
};

describe('HTTP+SSE upstream', () => {
  it('has a stream for each session, and posts where the stream says, with the credential on both', async () => {
    const sessions = [await beginSession(url(), key), await beginSession(url(), key)];
    const answers = await Promise.all(sessions.map((session, at) => session.call('tool_0', { at }, { id: 1 })));
    expect(answers).toEqual([0, 1].map((at) => ({ name: 'tool_0', arguments: { at } })));
    expect(streams.length).toBe(2);
    expect(new Set(server.requests.map(({ method, url: asked }) => `${method} ${asked}`))).toEqual(
      new Set(['GET /sse', 'POST /messages?session=1', 'POST /messages?session=2']),
    );
    for (const { headers } of server.requests) {
      expect(headers['authorization']).toBe('Bearer upstream-secret');
      expect(headers['mcp-session-id']).toBeUndefined();
      expect(headers['x-keygate-assertion']).toMatch(/^eyJ/);
    }
    const ended = new Promise((resolve) => streams[0]?.once('close', resolve));
    expect(await sessions[0]?.end()).toBe(200);
    await ended;
    await expect(sessions[0]?.call('tool_0')).rejects.toMatchObject({ status: 404 });
    expect(await sessions[1]?.call('tool_0')).toMatchObject({ name: 'tool_0' });
  });

  it.each([
    ['another host', 'http://example.com/messages'],
    ['another port', 'http://127.0.0.1:1/messages'],
    ['another scheme', 'https://127.0.0.1/messages'],
    ['a name and a password', 'user:secret'],
    ['nothing', ''],
  ])('an endpoint with %s is refused: the credential goes nowhere else', async (what, endpoint) => {
    const named = what === 'a name and a password' ? `http://u:p@127.0.0.1:${server.port}/messages` : endpoint;
    begin = (response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event('endpoint', named));
    expect(await tryToBegin()).toEqual([502, 'UPSTREAM_FAILED', 'not-sent']);
    expect(server.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  it.each([
    [
      'A24: a redirect',
      (response: ServerResponse) => response.writeHead(307, { location: `http://127.0.0.1:${server.port}/elsewhere` }).end(),
    ],
    ['an error', (response: ServerResponse) => response.writeHead(500).end()],
    ['HTML', (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')],
    [
      'an encoding',
      (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' }).end('x'),
    ],
    ['an end before the endpoint', (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end()],
    [
      'an endless event',
      (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`data: ${'x'.repeat(100_000)}`),
    ],
  ] as const)('%s instead of a stream: nothing is sent', async (_what, script) => {
    begin = (response) => void script(response);
    expect(await tryToBegin()).toEqual([502, 'UPSTREAM_FAILED', 'not-sent']);
    expect(server.requests.length).toBe(1);
    // Then it is left alone for a while.
    expect(await tryToBegin()).toEqual([503, 'UPSTREAM_UNAVAILABLE', 'not-sent']);
    expect(server.requests.length).toBe(1);
  });

  it('a stream that breaks ends its calls with an unknown outcome, and its session', async () => {
    const session = await beginSession(url(), key);
    answer = (method, response, ordinary) => {
      if (method !== 'tools/call') return ordinary();
      response.writeHead(202).end();
      streams[0]?.destroy();
    };
    await expect(session.call('tool_0')).rejects.toMatchObject({ status: 502, error: { data: { outcome: 'unknown' } } });
    answer = undefined;
    await expect(session.call('tool_0')).rejects.toMatchObject({ status: 404 });
  });

  it.each([
    [404, 404, 'SESSION_NOT_FOUND'],
    [500, 502, 'UPSTREAM_FAILED'],
    [307, 502, 'UPSTREAM_FAILED'],
  ])('a POST that is answered %i is refused with %i', async (given, status, reason) => {
    const session = await beginSession(url(), key);
    answer = (_method, response) => void response.writeHead(given, { location: '/elsewhere' }).end();
    await expect(session.call('tool_0')).rejects.toMatchObject({ status, error: { data: { reason } } });
    const notification = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1 } };
    expect((await session.send(notification)).status).toBe(status);
    expect(server.requests.map(({ url: asked }) => asked)).not.toContain('/elsewhere');
  });

  it('A25: an answer to nothing, one that is no message, and a second endpoint reach nobody', async () => {
    const session = await beginSession(url(), key);
    answer = (method, _response, ordinary) => {
      if (method === 'tools/call') {
        streams[0]?.write(event('endpoint', 'http://example.com/messages'));
        streams[0]?.write(event('message', '{"jsonrpc":"2.0","id":77,"result":{"content":[{"type":"text","text":"forged"}]}}'));
        streams[0]?.write(event('message', 'no message'));
      }
      ordinary();
    };
    expect(await session.call('tool_0', { a: 1 })).toEqual({ name: 'tool_0', arguments: { a: 1 } });
    expect(await session.call('tool_0', { a: 2 })).toEqual({ name: 'tool_0', arguments: { a: 2 } });
  });

  it('an answer that is no message fails its call at once', async () => {
    const session = await beginSession(url(), key);
    answer = (method, response, ordinary) => {
      if (method !== 'tools/call') return ordinary();
      response.writeHead(202).end();
      const id = rpcId(server.requests.at(-1) ?? fail());
      streams[0]?.write(event('message', `{"jsonrpc":"2.0","id":${String(id)},"result":{},"result":{}}`));
    };
    await expect(session.call('tool_0')).rejects.toMatchObject({ status: 502 });
  });

  it('a server that never answers: 504', async () => {
    const session = await beginSession(url(), key);
    answer = (_method, response) => void response.writeHead(202).end();
    await expect(session.call('tool_0')).rejects.toMatchObject({ status: 504 });
  });

  it('is left when the gateway ends', async () => {
    await beginSession(url(), key);
    const closed = new Promise((resolve) => streams[0]?.once('close', resolve));
    await gate.gateway.drain();
    await closed;
  });

  it('what is not allowed reaches nothing', async () => {
    const { key: lesser } = await gate.mint({ scopes: ['read:other'] });
    const session = await beginSession(url(), lesser);
    const before = server.requests.length;
    await expect(session.call('tool_0')).rejects.toMatchObject({ status: 403 });
    expect(server.requests.length).toBe(before);
    expect((await post(url(), { key: lesser, body: toolCall('tool_0') })).status).toBe(403);
  });
});

function fail(): never {
  throw new Error('no request');
}
