import { once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startAggregateWorld } from '../../support/aggregate-world.ts';
import { createClosers, startBench } from '../../support/bench.ts';
import { inSession, stateless } from '../../support/eras.ts';
import { eventsOf, openStream } from '../../support/event-text.ts';
import { hang, only } from '../../support/misbehaviours.ts';
import { post, toolCall } from '../../support/post.ts';
import { openRaw } from '../../support/raw-http.ts';
import type { Respond } from '../../support/recording-upstream.ts';
import { sendJson } from '../../support/recording-upstream.ts';

const closers = createClosers();
afterEach(() => closers.closeAll());

/** A tool result of as many characters. */
const long =
  (chars: number): Respond =>
  (request, response) => {
    const { id } = request.message as { id: unknown };
    sendJson(response, { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: 'x'.repeat(chars) }] } });
  };

describe('what one request may make the gateway keep', () => {
  it('A15: the answers of a batch together are no longer than one answer may be; those left out are errors with their own ids', async () => {
    const bench = closers.keep(await startBench({ config: { limits: { answerBytesMax: '64KiB', batchMax: 50 } } }));
    bench.upstream.script(only('tools/call', long(20_000)));
    const batch = Array.from({ length: 50 }, (_, n) => toolCall('tool_0', {}, n));
    const answer = await post(bench.url, { key: bench.key, body: batch });
    expect(answer.status).toBe(200);
    const entries = JSON.parse(answer.text) as { id: number; result?: object; error?: { data: Record<string, unknown> } }[];
    expect(entries.map(({ id }) => id)).toEqual(batch.map((_, n) => n));
    expect(entries.filter(({ result }) => result)).toHaveLength(3);
    for (const { error } of entries.filter(({ result }) => !result)) {
      expect(error?.data).toMatchObject({ reason: 'MESSAGE_TOO_LARGE', limit: 65_536, outcome: 'unknown' });
    }
    expect(answer.text.length).toBeLessThan(65_536 + 50 * 600);
    // Each call was made and is charged, whether there was room for its answer or not.
    await bench.settled();
    expect(bench.upstream.calls('tools/call')).toHaveLength(50);
    expect((await bench.usage())[0]).toMatchObject({ spent: 500_000, held: 0 });
    await bench.alive();
  });

  it('A15: a client of HTTP+SSE that asks on and reads nothing is refused before its answers fill memory', async () => {
    const bench = closers.keep(await startBench({ config: { limits: { answerBytesMax: '1MiB' } } }));
    const socket = openRaw(bench.gate.url);
    socket.on('error', () => undefined);
    socket.write(`GET /sse/up HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${bench.key}\r\nAccept: text/event-stream\r\n\r\n`);
    let head = '';
    while (!/messages\/\S+\n/.test(head)) head += String((await once(socket, 'data'))[0]);
    socket.pause();
    const to = `${bench.gate.url}${/data: (\S+)/.exec(head)?.[1]}`;
    bench.upstream.script(only('tools/call', long(900_000)));
    const statuses: number[] = [];
    for (let n = 0; n < 60 && statuses.at(-1) !== 503; n += 1) {
      const before = bench.upstream.calls('tools/call').length;
      const answer = await post(to, { key: bench.key, body: toolCall('tool_0', {}, n) });
      statuses.push(answer.status);
      if (answer.status === 503) expect(answer.json).toMatchObject({ id: n, error: { data: { reason: 'OVERLOADED', limit: 1_048_576 } } });
      else {
        await bench.upstream.received(before + 1, ({ body }) => body.includes('tools/call'));
        await bench.gate.journalled('call.outcome', n + 1);
      }
    }
    // The system's own buffers take some; after that there is room for one answer more.
    expect(statuses.at(-1)).toBe(503);
    socket.destroy();
    await vi.waitFor(() => expect(bench.gate.gateway.composed.live.size).toBe(0));
    await bench.alive();
  });

  it('A15: a client of HTTP+SSE that reads what comes may ask for more than that', async () => {
    const bench = closers.keep(await startBench({ config: { limits: { answerBytesMax: '1MiB' } } }));
    const authorization = `Bearer ${bench.key}`;
    const stream = await openStream(`${bench.gate.url}/sse/up`, { headers: { accept: 'text/event-stream', authorization } });
    const to = `${bench.gate.url}${eventsOf(await stream.seen(/messages\/\S+\n/))[0]?.data}`;
    bench.upstream.script(only('tools/call', long(900_000)));
    for (let n = 0; n < 8; n += 1) {
      expect((await post(to, { key: bench.key, body: toolCall('tool_0', {}, `n${n}`) })).status).toBe(202);
      await stream.seen(new RegExp(`"id":"n${n}".*\n\n$`, 's'));
    }
    stream.leave();
    await vi.waitFor(() => expect(bench.gate.gateway.composed.live.size).toBe(0));
  });

  it('A49: a member that floods a stream before the others have agreed to it is left; the others go on', async () => {
    const world = closers.keep(
      await startAggregateWorld({ loud: {}, late: {} }, { limits: { aggregateMemberMs: 2_000, eventBytesMax: '64KiB' } }),
    );
    const { key } = await world.gate.mint({ scopes: ['read:up'] });
    const agreed = (request: { message: unknown }) => {
      const { id } = request.message as { id: unknown };
      const meta = { 'io.modelcontextprotocol/subscriptionId': id };
      const params = { notifications: { toolsListChanged: true }, _meta: meta };
      return `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params })}\n\n`;
    };
    const flood = `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { pad: 'x'.repeat(8_000) } } })}\n\n`;
    const gone = Promise.withResolvers<void>();
    world.upstream('loud').script(
      only('subscriptions/listen', (request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(agreed(request));
        response.once('close', () => gone.resolve());
        for (let n = 0; n < 50; n += 1) response.write(flood);
      }),
    );
    world.upstream('late').script(
      only('subscriptions/listen', async (request, response) => {
        await gone.promise;
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(agreed(request));
        response.write(
          `data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: { from: 'late' } } })}\n\n`,
        );
      }),
    );
    const { body, headers } = stateless('subscriptions/listen', { notifications: { toolsListChanged: true } }, 'sub');
    const stream = await openStream(`${world.gate.url}/mcp`, {
      method: 'POST',
      headers: {
        ...headers,
        ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream', authorization: `Bearer ${key}` },
      },
      body: JSON.stringify(body),
    });
    await stream.seen(/"from":"late"/);
    expect(stream.text().length).toBeLessThan(2 * 65_536 + 8_000);
    stream.leave();
    await vi.waitFor(() => expect(world.gate.gateway.composed.live.size).toBe(0));
  });
});

describe('what one path may not bring to another', () => {
  it('A29: a session, a stream’s POST path and a cursor are of one key and one path, in every combination', async () => {
    const world = closers.keep(
      await startAggregateWorld(
        { one: { tools: 2 }, two: { tools: 2 } },
        { agents: { desk: { upstreams: ['one'] }, hall: { upstreams: ['one', 'two'] } } },
      ),
    );
    const { key } = await world.gate.mint({ scopes: ['read:up'], agentId: 'hall' });
    const other = await world.gate.mint({ scopes: ['read:up'], agentId: 'hall' });
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'c', version: '1' } };
    const paths = ['/mcp/one', '/mcp/two', '/mcp', '/mcp/hall'];
    const sessions = new Map<string, string>();
    for (const path of paths) {
      const { headers } = await post(`${world.gate.url}${path}`, { key, ...inSession('initialize', params) });
      sessions.set(path, headers.get('mcp-session-id') ?? '');
    }
    const sent = () => world.upstream('one').requests.length + world.upstream('two').requests.length;
    const before = sent();
    for (const [from, session] of sessions) {
      expect(session).not.toBe('');
      for (const at of paths) {
        for (const as of [key, other.key]) {
          if (at === from && as === key) continue;
          const { body, headers } = inSession(
            'tools/call',
            { name: at.length > 8 || at === '/mcp' ? 'one__tool_0' : 'tool_0', arguments: {} },
            'own',
          );
          const answer = await post(`${world.gate.url}${at}`, { key: as, body, headers: { ...headers, 'mcp-session-id': session } });
          expect([answer.status, answer.json.id, answer.json.error?.data.reason], `${from} at ${at}`).toEqual([
            404,
            'own',
            'SESSION_NOT_FOUND',
          ]);
        }
      }
    }
    expect(sent()).toBe(before);
  });

  it('A26: no spelling of a member’s prefix reaches a tool that is not its own', async () => {
    const world = closers.keep(
      await startAggregateWorld(
        { open: {}, shut: { config: { tools: [{ match: 'tool_1', scope: 'admin:up' }] } } },
        { agents: { hall: { upstreams: ['open', 'shut'] } } },
      ),
    );
    const { key } = await world.gate.mint({ scopes: ['read:up'], agentId: 'hall' });
    const names = [
      ...['shut__tool_1', 'shut__tool_0', 'SHUT__tool_1', 'shut_tool_1', 'shut__', '__tool_1', 'tool_1', 'open__shut__tool_1'],
      ...['shut__tool_1\0', ' shut__tool_1', 'shut\u2060__tool_1', 'open__', 'keygate://shut/tool_1', 'shut__open__tool_1'],
    ];
    const results = new Map<string, unknown>();
    for (const name of names) {
      for (const path of ['/mcp', '/mcp/hall']) {
        const { json } = await post(`${world.gate.url}${path}`, { key, body: toolCall(name) });
        results.set(`${path} ${name}`, json.error?.data.reason ?? 'passed');
      }
    }
    // What belongs to the open member goes to the open member under the rest of its name, whatever that looks like.
    const passed = [...results].filter(([, result]) => result === 'passed').map(([name]) => name);
    expect(passed).toEqual(['/mcp open__shut__tool_1', '/mcp/hall open__shut__tool_1']);
    expect(world.upstream('shut').requests).toEqual([]);
    expect(
      world
        .upstream('open')
        .calls('tools/call')
        .map(({ message }) => (message as { params: { name: string } }).params.name),
    ).toEqual([...['shut__tool_1', 'shut__tool_1']]);
    const refused = await world.gate.journal('call.refused');
    expect(refused).toHaveLength(results.size - passed.length);
  });

  it('A49: a member that never answers costs the caller its time alone, once, and holds nothing afterwards', async () => {
    const world = closers.keep(await startAggregateWorld({ good: {}, dead: {} }, { limits: { aggregateMemberMs: 300 } }));
    const { key } = await world.gate.mint({ scopes: ['read:up'] });
    world.upstream('dead').script(hang);
    const lists = await Promise.all(
      Array.from({ length: 20 }, (_, n) => post(`${world.gate.url}/mcp`, { key, body: { jsonrpc: '2.0', id: n, method: 'tools/list' } })),
    );
    for (const { status, json } of lists) {
      expect(status).toBe(200);
      expect(json.result?._meta).toEqual({ 'keygate/partial': [{ upstream: 'dead', reason: 'UPSTREAM_TIMEOUT' }] });
    }
    expect(world.gate.gateway.composed.live.size).toBe(0);
    await world.gate.journalled('call.outcome', 40);
  });
});
