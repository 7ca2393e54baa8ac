import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectV1, type V1Client } from '../../support/clients.ts';
import { messagesOf } from '../../support/event-text.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { post, toolCall } from '../../support/post.ts';
import { beginSession, type RawSession, reached, type SeenMessage } from '../../support/raw-session.ts';
import { isAlive, stdioUpstream, textOf } from '../../support/stdio-upstream.ts';

let gate: TestGateway;
let key: string;

beforeAll(async () => {
  gate = await startTestGateway({ upstreams: { up: stdioUpstream({ process: 'shared' }) } });
  key = (await gate.mint({ scopes: ['read'] })).key;
});

afterAll(() => gate.close());

const open: RawSession[] = [];
afterEach(async () => {
  for (const session of open.splice(0)) await session.end();
});
const begin = async () => {
  const session = await beginSession(`${gate.url}/mcp/up`, key, { sampling: {} });
  open.push(session);
  return session;
};
const pair = () => Promise.all([begin(), begin()]);
const seenBy = async (session: RawSession) => (await session.call('seen', {}, { id: 'seen' })) as SeenMessage[];
const request = (method: string, params: object, id: string | number = 'request') => ({ jsonrpc: '2.0', id, method, params });

const connect = (options = {}) => connectV1(`${gate.url}/mcp/up`, key, options);
const call = async (client: V1Client, name: string, args: Record<string, unknown> = {}) =>
  textOf(await client.callTool({ name, arguments: args }));

describe('one child for all', () => {
  it('100 clients with the same ids and shuffled delays each get their own answer', async () => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => connect()));
    const rounds = await Promise.all(
      clients.map(async (client, at) => {
        const answers: unknown[] = [];
        for (let round = 0; round < 3; round += 1) {
          answers.push(await call(client, 'echo', { client: at, round, delayMs: (at * 37 + round * 53) % 101 }));
        }
        return answers;
      }),
    );
    const wrong = rounds.flatMap((answers, at) =>
      answers.filter((answer, round) => {
        const { client, round: answered } = answer as { client: number; round: number };
        return client !== at || answered !== round;
      }),
    );
    const calls = (await call(clients[0] as V1Client, 'seen')) as { method: string; id: unknown }[];
    const ids = calls.filter(({ method }) => method === 'tools/call').map(({ id }) => id);
    console.info(
      `100 clients, 300 calls on one child: ${rounds.flat().length - wrong.length} own answers, ${wrong.length} others', ${new Set(ids).size} ids`,
    );
    expect(wrong).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(calls.filter(({ method }) => method === 'initialize').length).toBe(1);
    await Promise.all(clients.map((client) => client.close()));
  });

  it.each([
    ['2024-11-05', '2024-11-05'],
    ['2025-06-18', '2025-06-18'],
    ['2025-11-25', '2025-11-25'],
    ['2026-07-28', '2025-11-25'],
    ['1999-01-01', '2025-11-25'],
  ])('answers a client that speaks %s in %s', async (wanted, spoken) => {
    const params = { protocolVersion: wanted, capabilities: {}, clientInfo: { name: 'raw', version: '1' } };
    const { json } = await post(`${gate.url}/mcp/up`, { key, body: request('initialize', params, 'a') });
    expect(json).toMatchObject({ id: 'a', result: { protocolVersion: spoken, serverInfo: { name: 'stdio-server' } } });
  });

  it('tells the child of a subscription once, and each session of what it subscribed to', async () => {
    const [first, second] = await pair();
    const streams = await Promise.all([first.listen(), second.listen()]);
    const uri = `test://${Math.random()}`;
    const subscribe = (session: RawSession, verb: string) => session.send(request(`resources/${verb}`, { uri }));
    expect((await subscribe(first, 'subscribe')).json).toEqual({ jsonrpc: '2.0', id: 'request', result: {} });
    await first.call('touch', { uri });
    await streams[0].seen(/updated/);
    expect((await subscribe(second, 'subscribe')).json.result).toEqual({});
    await first.call('touch', { uri });
    await streams[1].seen(/updated/);
    // The first goes; the second goes on, and hears what the child says meanwhile.
    expect((await subscribe(first, 'unsubscribe')).json.result).toEqual({});
    await second.call('touch', { uri });
    await second.call('change');
    const updates = await Promise.all(streams.map(async (stream) => messagesOf(await stream.seen(/list_changed/))));
    const count = (messages: Record<string, unknown>[]) =>
      messages.filter(({ method }) => method === 'notifications/resources/updated').length;
    expect(updates.map(count)).toEqual([2, 2]);
    await subscribe(second, 'unsubscribe');
    const told = (await seenBy(first)).filter(({ params }) => params?.uri === uri).map(({ method }) => method);
    expect(told.filter((method) => method?.startsWith('resources/'))).toEqual(['resources/subscribe', 'resources/unsubscribe']);
  });

  it('gives up the subscriptions of a session that ends', async () => {
    const [first, second] = await pair();
    const uri = `test://${Math.random()}`;
    await first.send(request('resources/subscribe', { uri }));
    await first.end();
    const told = (await seenBy(second)).filter(({ params }) => params?.uri === uri).map(({ method }) => method);
    expect(told).toEqual(['resources/subscribe', 'resources/unsubscribe']);
  });

  it('asks the one client whose call runs, and nobody where that cannot be told', async () => {
    const [first, second] = await pair();
    const held = (await first.listen()).text;
    const asking = await second.follow(toolCall('ask', {}, 'ask'));
    // It asks while no other call runs; even the handshake of the next client is one. It goes out on the call's own stream; the answer comes from another
    // connection, as SDK clients do it.
    await asking.seen(/sampling\/createMessage/);
    const other = await connect({ sampling: () => ({ role: 'assistant', model: 'mine', content: { type: 'text', text: 'hi' } }) });
    expect(held()).not.toContain('sampling');
    const blocked = textOf(await other.callTool({ name: 'ask', arguments: {} }));
    expect(blocked).toMatchObject({ error: { code: -31409 } });
    await second.end();
    await asking.ended;
    expect(textOf(await other.callTool({ name: 'ask', arguments: {} }))).toMatchObject({ result: { model: 'mine' } });
    await other.close();
  });

  it('an answer from a session that was not asked goes nowhere', async () => {
    const [first, second] = await pair();
    const asking = first.send(toolCall('ask', {}, 'ask'));
    await reached(second, 'ask');
    const answer = { jsonrpc: '2.0', id: 'ask-1', result: { model: 'forged' } };
    expect((await second.send(answer)).status).toBe(400);
    await first.end();
    expect(JSON.stringify((await asking).messages)).not.toContain('forged');
  });

  it("keeps a log level for each session, and tells nobody of what may be somebody else's", async () => {
    const [quiet, loud] = await pair();
    await quiet.send(request('logging/setLevel', { level: 'error' }));
    await loud.send(request('logging/setLevel', { level: 'debug' }));
    const log = async (session: RawSession, level: string) =>
      (await session.send(toolCall('log', { level, data: `${level}!` }))).messages.map(({ method }) => method);
    expect(await log(loud, 'debug')).toEqual(['notifications/message', undefined]);
    expect(await log(quiet, 'info')).toEqual([undefined]);
    expect(await log(quiet, 'critical')).toEqual(['notifications/message', undefined]);
    const streams = await Promise.all([quiet.listen(), loud.listen()]);
    const held = loud.send(toolCall('never', {}, 'held'));
    await reached(quiet, 'never');
    expect(await log(quiet, 'emergency')).toEqual([undefined]);
    await quiet.call('change');
    for (const stream of streams) expect(await stream.seen(/list_changed/)).not.toContain('emergency!');
    const levels = (await seenBy(loud)).filter(({ method }) => method === 'logging/setLevel');
    expect(levels.length).toBe(2);
    await loud.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'held' } });
    await held;
  });

  it('cancels only what its sender sent', async () => {
    const [first, second] = await pair();
    const held = first.send(toolCall('never', {}, 'same'));
    await reached(second, 'never');
    const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'same' } };
    const before = (await seenBy(second)).filter(({ method }) => method === 'notifications/cancelled').length;
    expect((await second.send(cancel)).status).toBe(202);
    expect((await seenBy(second)).filter(({ method }) => method === 'notifications/cancelled').length).toBe(before);
    expect((await first.send(cancel)).status).toBe(202);
    expect((await held).status).toBe(502);
    expect((await seenBy(second)).filter(({ method }) => method === 'notifications/cancelled').length).toBe(before + 1);
  });

  it('that crashes ends every session, and the next one starts another', async () => {
    const [first, second] = await pair();
    const pid = (await first.call('pid')) as number;
    const held = second.send(toolCall('never', {}, 'held'));
    await reached(first, 'never');
    await expect(first.call('crash')).rejects.toMatchObject({ status: 502 });
    expect((await held).status).toBe(502);
    await expect(second.call('pid')).rejects.toMatchObject({ status: 404 });
    await expect(begin()).rejects.toThrow(/503 .*UPSTREAM_UNAVAILABLE/);
    expect(isAlive(pid)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await (await begin()).call('pid')).not.toBe(pid);
  });
});
