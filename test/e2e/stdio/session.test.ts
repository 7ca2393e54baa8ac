import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stateless } from '../../support/eras.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { post, toolCall } from '../../support/post.ts';
import { beginSession, reached, type SeenMessage } from '../../support/raw-session.ts';
import { isAlive, stdioUpstream, textOf, untilGone } from '../../support/stdio-upstream.ts';

let gate: TestGateway;
let key: string;
let other: string;

beforeAll(async () => {
  gate = await startTestGateway({
    upstreams: {
      up: stdioUpstream({ childrenPerKeyMax: 3 }),
      brief: stdioUpstream({ idleMs: 1_000 }),
      modern: stdioUpstream({}, { options: ['--stateless'] }),
      one: stdioUpstream({ childrenMax: 1 }),
    },
  });
  key = (await gate.mint({ scopes: ['read'] })).key;
  other = (await gate.mint({ scopes: ['read'] })).key;
});
afterAll(() => gate.close());

const begin = (name = 'up', as = key, capabilities = {}) => beginSession(`${gate.url}/mcp/${name}`, as, capabilities);

describe('a child for each session', () => {
  it('is its own, from initialize to DELETE', async () => {
    const [first, second] = await Promise.all([begin(), begin()]);
    const pids = [await first.call('pid'), await second.call('pid'), await first.call('pid')] as number[];
    expect(pids[0]).toBe(pids[2]);
    expect(pids[0]).not.toBe(pids[1]);
    expect(await first.end()).toBe(200);
    await untilGone([pids[0] ?? 0]);
    expect(isAlive(pids[1] ?? 0)).toBe(true);
    await expect(first.call('pid')).rejects.toMatchObject({ status: 404 });
    expect(await second.call('echo', { still: 'here' })).toEqual({ still: 'here' });
    expect(await second.end()).toBe(200);
  });

  it('ends when nobody has used it for a while, but not while its stream is open', async () => {
    const [idle, listening] = await Promise.all([begin('brief'), begin('brief')]);
    const [gone, kept] = [(await idle.call('pid')) as number, (await listening.call('pid')) as number];
    const stream = await listening.listen();
    await untilGone([gone]);
    await expect(idle.call('pid')).rejects.toMatchObject({ status: 404 });
    expect(await listening.call('pid')).toBe(kept);
    stream.leave();
    await untilGone([kept]);
  });

  it('is bounded for each key and for all', async () => {
    const held = await Promise.all([begin(), begin(), begin()]);
    await expect(begin()).rejects.toThrow(/503 .*OVERLOADED/);
    const neighbour = await begin('up', other);
    for (const session of [...held, neighbour]) await session.end();
    const only = await begin('one');
    await expect(begin('one', other)).rejects.toThrow(/503 .*OVERLOADED/);
    await only.end();
  });

  it('A29: is of no use to another key', async () => {
    const session = await begin();
    const headers = { 'mcp-session-id': session.id, 'mcp-protocol-version': '2025-11-25' };
    const { status, json } = await post(`${gate.url}/mcp/up`, { key: other, body: toolCall('pid'), headers });
    expect([status, json.error?.data['reason']]).toEqual([404, 'SESSION_NOT_FOUND']);
    await session.end();
  });

  it('is not started by a call without a session', async () => {
    const { status, json } = await post(`${gate.url}/mcp/up`, { key, body: toolCall('pid') });
    expect([status, json.error?.data['reason']]).toEqual([400, 'INVALID_MESSAGE']);
  });
});

describe('what passes', () => {
  it('keeps equal ids of one session apart', async () => {
    const session = await begin();
    const delays = [60, 20, 40, 0, 30];
    const answers = await Promise.all(delays.map((delayMs, at) => session.call('echo', { at, delayMs }, { id: 7 })));
    expect(answers).toEqual(delays.map((delayMs, at) => ({ at, delayMs })));
    await session.end();
  });

  it('is one line to the child however the client wrote it', async () => {
    const session = await begin();
    const body = JSON.stringify(toolCall('echo', { text: 'two\nlines' }, 'an id'), null, 2).replaceAll('\n', '\r\n');
    const { json } = await session.send(body);
    expect(json).toMatchObject({ id: 'an id', result: { content: [{ text: '{"text":"two\\nlines"}' }] } });
    await session.end();
  });

  it('progress comes with the call, under the token that its client chose', async () => {
    const session = await begin();
    const call = (token: string | number, id: number) => {
      const params = { name: 'progress', arguments: { steps: 3 }, _meta: { progressToken: token } };
      return session.send({ jsonrpc: '2.0', id, method: 'tools/call', params });
    };
    const [one, two] = await Promise.all([call('a "token"', 1), call(7, 1)]);
    const tokens = ({ messages }: typeof one) =>
      messages.map(({ params }) => (params as { progressToken?: unknown } | undefined)?.progressToken);
    expect(tokens(one)).toEqual(['a "token"', 'a "token"', 'a "token"', undefined]);
    expect(tokens(two)).toEqual([7, 7, 7, undefined]);
    const seen = (await session.call('seen')) as SeenMessage[];
    const given = seen.filter(({ params }) => params?._meta?.progressToken !== undefined);
    expect(given.map(({ params }) => params?._meta?.progressToken)).toEqual(given.map(({ id }) => id));
    await session.end();
  });

  it('a request of the child goes to its client, and the answer back', async () => {
    const session = await begin('up', key, { sampling: {} });
    const stream = await session.listen();
    // Two calls run, so it is on the session's own stream.
    const held = session.call('never').catch(() => undefined);
    await reached(session, 'never');
    const asking = session.call('ask', {}, { id: 2 });
    const text = await stream.seen(/sampling\/createMessage/);
    const { id } = JSON.parse(/data: (\{.*sampling.*\})/.exec(text)?.[1] ?? '{}') as { id: string };
    const answer = { jsonrpc: '2.0', id, result: { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' } };
    expect((await session.send(answer)).status).toBe(202);
    expect(await asking).toMatchObject({ result: { model: 'm' } });
    expect((await session.send(answer)).status).toBe(400);
    await session.end();
    await held;
  });

  it('log lines come with the one call that runs; what no stream is open for waits for one', async () => {
    const session = await begin();
    const { messages } = await session.send(toolCall('log', { data: 'with the call' }));
    expect(messages.map(({ method }) => method)).toEqual(['notifications/message', undefined]);
    const held = session.send(toolCall('never', {}, 'held'));
    await reached(session, 'never');
    await session.call('log', { data: 'by itself' }, { id: 2 });
    const stream = await session.listen();
    expect(await stream.seen(/by itself/)).not.toContain('with the call');
    expect((await session.listen()).status).toBe(409);
    await session.end();
    expect((await held).status).toBe(502);
    await stream.ended;
  });

  it('a cancelled call is cancelled under its own id there, and ends', async () => {
    const session = await begin();
    const held = session.send(toolCall('never', {}, 'mine'));
    const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'mine', reason: 'enough' } };
    await reached(session, 'never');
    expect((await session.send(cancelled)).status).toBe(202);
    expect((await held).status).toBe(502);
    const seen = (await session.call('seen')) as SeenMessage[];
    const call = seen.find(({ params }) => params?.name === 'never');
    expect(seen.find(({ method }) => method === 'notifications/cancelled')?.params?.requestId).toBe(call?.id);
    await session.end();
  });
});

describe('callers without sessions', () => {
  it('have a child for each key, kept warm, which gets their messages as they are', async () => {
    const call = async (as: string, name: string, id: string | number = 1) => {
      const { body, headers } = stateless('tools/call', { name, arguments: {} }, id);
      const { json } = await post(`${gate.url}/mcp/modern`, { key: as, body, headers });
      expect(json.id).toBe(id);
      return textOf(json.result);
    };
    const pids = await Promise.all([call(key, 'pid'), call(key, 'pid'), call(other, 'pid'), call(key, 'pid', 'x')]);
    expect(new Set(pids).size).toBe(2);
    expect(pids[1]).toBe(pids[0]);
    expect(pids[3]).toBe(pids[0]);
    // The first one of all asked which era the server speaks.
    const seen = ((await call(key, 'seen')) as SeenMessage[]).filter(({ method }) => method !== 'server/discover');
    expect(new Set(seen.map(({ method }) => method))).toEqual(new Set(['tools/call']));
    expect(seen[0]?.params?._meta).toMatchObject({ 'io.modelcontextprotocol/protocolVersion': '2026-07-28' });
  });
});
