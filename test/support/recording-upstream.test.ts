import { afterEach, expect, test } from 'vitest';
import { connectV1, connectV2Legacy, connectV2Modern } from './clients.ts';
import * as bad from './misbehaviours.ts';
import { type RecordingUpstream, type RecordingUpstreamOptions, startRecordingUpstream } from './recording-upstream.ts';

let upstream: RecordingUpstream;
afterEach(() => upstream.close());

const call = { jsonrpc: '2.0', id: 'call-1', method: 'tools/call', params: { name: 'tool_0', arguments: { a: 1 } } };
const ordinaryResult = { content: [{ type: 'text', text: '{"name":"tool_0","arguments":{"a":1}}' }] };

async function start(options: RecordingUpstreamOptions = {}) {
  upstream = await startRecordingUpstream(options);
}
const post = (init: RequestInit = {}) => fetch(upstream.url, { method: 'POST', body: JSON.stringify(call), ...init });

test.each([
  ['v1', connectV1, 'json'],
  ['v2 in the session era', connectV2Legacy, 'sse'],
  ['v2 in 2026-07-28', connectV2Modern, 'json'],
] as const)('serves the %s client and records what it sent', async (_name, connect, answer) => {
  await start({ tools: 2, answer });
  const client = await connect(upstream.url, 'the-bearer', { headers: { 'X-Extra': 'yes' } });
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['tool_0', 'tool_1']);
  expect(await client.callTool({ name: 'tool_0', arguments: { a: 1 } })).toMatchObject(ordinaryResult);
  const [recorded] = upstream.calls('tools/call');
  expect(recorded?.method).toBe('POST');
  expect(recorded?.url).toBe('/mcp');
  expect(recorded?.rawHeaders).toContain('Bearer the-bearer');
  expect(recorded?.headers['x-extra']).toBe('yes');
  expect(JSON.parse(recorded?.body ?? '')).toMatchObject({ method: 'tools/call', params: { name: 'tool_0', arguments: { a: 1 } } });
  expect(recorded?.receivedAtMs).toBeGreaterThanOrEqual(recorded?.startedAtMs ?? Number.NaN);
  await client.close();
});

test('keeps sessions, and pushes on the GET stream', async () => {
  await start();
  const client = await connectV2Legacy(upstream.url, 'b');
  const changed = new Promise<void>((resolve) => client.setNotificationHandler('notifications/tools/list_changed', () => resolve()));
  await upstream.received(1, (request) => request.method === 'GET');
  expect(upstream.push({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })).toBe(1);
  await changed;
  const unknown = await post({ headers: { 'mcp-session-id': 'unknown' } });
  expect(unknown.status).toBe(404);
  await client.close();
});

test('counts a request only when its body is complete', async () => {
  await start();
  const cut = new AbortController();
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"half":')),
  });
  const sending = fetch(upstream.url, { method: 'POST', body, duplex: 'half', signal: cut.signal });
  await expect.poll(() => upstream.connections()).toBe(1);
  cut.abort();
  await expect(sending).rejects.toThrow();
  await expect.poll(() => upstream.unfinished()).toBe(1);
  expect(upstream.requests).toEqual([]);
});

test('received() says what did arrive when the wait was in vain', async () => {
  await start();
  await post();
  await expect(upstream.received(2, undefined, 10)).rejects.toThrow('1 of 2 expected requests after 10 ms; all: POST /mcp');
});

test('a script can wait, fail the first time only, and be replaced', async () => {
  await start({ respond: bad.first(1, bad.status(500)) });
  expect((await post()).status).toBe(500);
  expect((await post()).status).toBe(200);
  upstream.script(bad.only('tools/list', bad.html));
  expect((await post()).headers.get('content-type')).toBe('application/json');
  upstream.script(() => {
    throw new Error('a mistake in the test');
  });
  expect((await post()).status).toBe(599);
});

test('resets before, in the middle of and after the start of an answer', async () => {
  await start({ respond: bad.resetBeforeAnswer });
  await expect(post()).rejects.toThrow();
  for (const script of [bad.resetMidAnswer, bad.resetMidStream]) {
    upstream.script(script);
    const response = await post();
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  }
  expect(upstream.requests).toHaveLength(3);
  expect(await Promise.all(upstream.requests.map(({ answered }) => answered))).toEqual([false, false, false]);
});

test('hangs with and without headers until the caller gives up', async () => {
  await start({ respond: bad.hang });
  await expect(post({ signal: AbortSignal.timeout(50) })).rejects.toThrow();
  upstream.script(bad.hangAfterHeaders);
  const response = await post({ signal: AbortSignal.timeout(100) });
  await expect(response.text()).rejects.toThrow();
});

test('answers with something else than the result', async () => {
  await start({ respond: bad.wrongId });
  expect(await (await post()).json()).toMatchObject({ id: 'not-call-1', result: ordinaryResult });
  upstream.script(bad.invalidJson);
  await expect((await post()).json()).rejects.toThrow(SyntaxError);
  upstream.script(bad.html);
  expect(await (await post()).text()).toContain('<h1>');
  upstream.script(bad.endWithoutResult);
  expect(await (await post()).text()).toBe(': nothing\n\n');
  upstream.script(bad.rpcError(-32000, 'no'));
  expect(await (await post()).json()).toEqual({ jsonrpc: '2.0', id: 'call-1', error: { code: -32000, message: 'no' } });
  upstream.script(bad.status(401, { error: 'x' }, { 'www-authenticate': 'Bearer' }));
  const unauthorized = await post();
  expect([unauthorized.status, unauthorized.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  upstream.script(bad.redirect('http://127.0.0.1:1/elsewhere'));
  const redirected = await post({ redirect: 'manual' });
  expect([redirected.status, redirected.headers.get('location')]).toEqual([307, 'http://127.0.0.1:1/elsewhere']);
});

test('answers huge, compressed, slowly and as several events', async () => {
  await start({ respond: bad.hugeAnswer(3 * 1024 * 1024) });
  expect((await (await post()).text()).length).toBeGreaterThan(3 * 1024 * 1024);
  upstream.script(bad.gzip);
  const zipped = await post({ headers: { 'accept-encoding': 'identity' } });
  expect(zipped.headers.get('content-encoding')).toBe('gzip');
  expect(await zipped.json()).toMatchObject({ result: ordinaryResult });
  upstream.script(bad.slowBytes(0));
  expect(await (await post()).json()).toMatchObject({ id: 'call-1', result: ordinaryResult });
  upstream.script(bad.eventsThenResult([{ jsonrpc: '2.0', method: 'notifications/message', params: {} }]));
  const events = (await (await post()).text()).trim().split('\n\n');
  expect(events).toHaveLength(2);
  expect(events[1]).toContain('"id":"call-1"');
});
