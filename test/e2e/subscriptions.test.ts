import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startDemoServer } from '../../examples/demo-server/server.ts';
import { patch } from '../../src/authority/patch.ts';
import { revoke } from '../../src/authority/revoke.ts';
import { type Bench, createClosers, startBench } from '../support/bench.ts';
import { connectV2Modern } from '../support/clients.ts';
import { stateless } from '../support/eras.ts';
import { messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { startTestGateway } from '../support/gateway.ts';
import { post } from '../support/post.ts';
import { rpcId, rpcMethod } from '../support/recorded-request.ts';
import type { Respond } from '../support/recording-upstream.ts';
import { createTaskUpstream } from '../support/task-upstream.ts';

const up = {
  tools: [{ match: '*', scope: 'read:up' }],
  resources: [
    { match: 'test://public/**', scope: 'read:up' },
    { match: 'test://secret/**', scope: 'manage:up' },
    { match: 'test://priced/**', scope: 'read:up', price: '0.02' },
    { match: 'test://never/**', scope: 'read:up', when: 'args.never == true' },
    { match: 'test://verified/**', scope: 'read:up', stepUp: true },
  ],
};

const closers = createClosers();
const streams: OpenStream[] = [];
let bench: Bench;

beforeAll(async () => {
  bench = await startBench({ up });
});
afterAll(() => bench.close());
afterEach(async () => {
  for (const stream of streams.splice(0)) {
    stream.leave();
    await stream.ended;
  }
  await closers.closeAll();
  await bench.alive();
});

const subscriptionId = 'io.modelcontextprotocol/subscriptionId';
type Filter = Record<string, unknown>;

interface Listening {
  readonly stream: OpenStream;
  /** The filter that reached the server. */
  readonly forwarded: Filter;
  /** The server says this on the stream. */
  say(method: string, params?: object): void;
  /** Methods, and URIs where there are any, of all that came until now. */
  heard(): Promise<string[]>;
}

/** A server that acknowledges whatever it was asked for, and then says what the test wants. */
async function listen(
  key: string,
  notifications: Filter,
  id: string | number = 'sub',
  own: Respond | undefined = undefined,
): Promise<Listening> {
  const opened = Promise.withResolvers<{ response: ServerResponse; forwarded: Filter }>();
  bench.upstream.script((request, response, ordinary) => {
    if (rpcMethod(request) !== 'subscriptions/listen') return own ? own(request, response, ordinary) : ordinary();
    const forwarded = (request.message as { params: { notifications: Filter } }).params.notifications;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    opened.resolve({ response, forwarded });
  });
  const { body, headers } = stateless('subscriptions/listen', { notifications }, id);
  const accept = { accept: 'application/json, text/event-stream', 'content-type': 'application/json', authorization: `Bearer ${key}` };
  const opening = openStream(bench.url, { method: 'POST', headers: { ...headers, ...accept }, body: JSON.stringify(body) });
  const { response, forwarded } = await opened.promise;
  const say = (method: string, params: object = {}) => {
    const whole = { ...params, _meta: { [subscriptionId]: id } };
    response.write(`event: message\ndata: ${JSON.stringify({ jsonrpc: '2.0', method, params: whole })}\n\n`);
  };
  say('notifications/subscriptions/acknowledged', { notifications: forwarded });
  const stream = await opening;
  streams.push(stream);
  expect(stream.status).toBe(200);
  const heard = async () => {
    // What was said before is seen when this is.
    const mark = `test://public/mark-${Math.random()}`;
    say('notifications/resources/updated', { uri: mark });
    const messages = messagesOf(await stream.seen(new RegExp(mark))) as { method: string; params: { uri?: string } }[];
    return messages.map(({ method, params }) => params.uri ?? method).filter((each) => !each.startsWith('test://public/mark-'));
  };
  return { stream, forwarded, say, heard };
}

const read = (more: object = {}) => bench.gate.mint({ scopes: ['read'], budgets: [{ amount: '1', per: 'total' }], ...more });
const uris = [
  'test://public/1',
  'test://secret/1',
  'test://public/../secret/2',
  'TEST://public/3',
  'nowhere',
  'test://never/1',
  'test://verified/1',
];

describe('subscriptions/listen', () => {
  it('asks the server only for what the key may read; the acknowledgement tells what is left', async () => {
    const { key } = await read();
    const { forwarded, stream } = await listen(key, {
      toolsListChanged: true,
      promptsListChanged: false,
      resourceSubscriptions: [...uris, 7, null],
      taskIds: ['task-1'],
      vendorChanged: true,
      ResourceSubscriptions: ['test://secret/9'],
    });
    const left = {
      toolsListChanged: true,
      promptsListChanged: false,
      resourceSubscriptions: ['test://public/1', 'TEST://public/3'],
      taskIds: [],
    };
    expect(forwarded).toEqual(left);
    const [acknowledged] = messagesOf(await stream.seen(/acknowledged/));
    expect(acknowledged).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: left, _meta: { [subscriptionId]: 'sub' } },
    });
  });

  it('an acknowledgement of more than that tells nothing of it', async () => {
    const { key } = await read();
    const { say, stream } = await listen(key, { toolsListChanged: true });
    say('notifications/subscriptions/acknowledged', { notifications: { resourceSubscriptions: uris, taskIds: ['foreign'], end: 1 } });
    await stream.seen(/"resourceSubscriptions"/);
    expect(stream.text()).not.toMatch(/secret|foreign|"end"/);
  });

  it('passes what was asked for and may be heard, and nothing else', async () => {
    const { key } = await read();
    const { say, heard } = await listen(key, { toolsListChanged: true, resourceSubscriptions: ['test://public/1'] });
    for (const kind of ['tools', 'resources', 'prompts']) say(`notifications/${kind}/list_changed`);
    for (const uri of uris) say('notifications/resources/updated', { uri });
    say('notifications/message', { data: 'x' });
    say('notifications/progress', { progressToken: 1, progress: 1 });
    say('notifications/tasks', { taskId: 'task-1', status: 'working' });
    say('vendor/thing', {});
    expect(await heard()).toEqual([
      'notifications/subscriptions/acknowledged',
      'notifications/tools/list_changed',
      'test://public/1',
      'TEST://public/3',
      'test://never/1',
      'test://verified/1',
    ]);
  });

  it('tells of the own tasks that were asked for, under the ids that the client knows', async () => {
    const { key } = await read();
    const tasks = createTaskUpstream();
    bench.upstream.script(tasks.respond);
    const created = stateless('tools/call', { name: 'tool_0', arguments: {} });
    const { json } = await post(bench.url, { key, body: created.body, headers: created.headers });
    const id = String(json.result?.taskId);
    const { forwarded, say, stream } = await listen(key, { taskIds: [id, 'foreign', tasks.idOf(1)] });
    expect(forwarded).toEqual({ taskIds: [tasks.idOf(1)] });
    say('notifications/tasks', { taskId: 'task-other', status: 'working' });
    say('notifications/tasks', { taskId: tasks.idOf(1), status: 'completed', result: { content: [] } });
    const [acknowledged, ...told] = messagesOf(await stream.seen(/completed/));
    expect(acknowledged?.params).toMatchObject({ notifications: { taskIds: [id] } });
    expect(told).toMatchObject([{ method: 'notifications/tasks', params: { taskId: id, status: 'completed' } }]);
    expect(stream.text()).not.toContain(tasks.idOf(1));
  });

  it('A38: is on record, and costs what reading would', async () => {
    const { key, id } = await read();
    const { stream } = await listen(key, {
      resourceSubscriptions: ['test://priced/1', 'test://priced/2', 'test://priced/1', 'test://public/1'],
    });
    const [intent] = (await bench.gate.journalled('call.intent', 1)).filter(({ keyId }) => keyId === id);
    expect(intent).toMatchObject({ method: 'subscriptions/listen', held: '0.04' });
    stream.leave();
    await stream.ended;
    await bench.settled();
    expect((await bench.usage(id)).find(({ unit }) => unit === 'micros')).toMatchObject({ spent: 40_000 });
  });

  it.each([{}, { notifications: [] }, { notifications: 'all' }])('A26: is refused without a filter: %j', async (params) => {
    const { body, headers } = stateless('subscriptions/listen', params);
    await bench.refused({ reason: 'INVALID_MESSAGE', id: 1 }, () => post(bench.url, { key: bench.key, body, headers }));
  });

  it('is refused where it is about more than can be judged', async () => {
    const notifications = { resourceSubscriptions: Array.from({ length: 1_001 }, (_, at) => `test://public/${at}`) };
    const { body, headers } = stateless('subscriptions/listen', { notifications });
    await bench.refused({ reason: 'INVALID_MESSAGE', id: 1 }, () => post(bench.url, { key: bench.key, body, headers }));
  });

  it('an error of the server, in place of a stream, is passed on', async () => {
    bench.upstream.script((request, response) => {
      const error = { code: -32603, message: 'Subscription limit reached' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: rpcId(request), error }));
    });
    const { body, headers } = stateless('subscriptions/listen', { notifications: { toolsListChanged: true } });
    expect((await post(bench.url, { key: bench.key, body, headers })).json.error).toMatchObject({ code: -32603 });
  });
});

describe('a key that is changed while it listens', () => {
  it('narrowed: hears no more of what it lost, and is told which lists read otherwise, of those it asked for (I3, I7)', async () => {
    const { key, id } = await read({ scopes: ['read', 'manage'] });
    const filter = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['test://secret/1', 'test://public/1'] };
    const { say, heard, stream, forwarded } = await listen(key, filter, 7);
    expect(forwarded).toEqual(filter);
    say('notifications/resources/updated', { uri: 'test://secret/1' });
    await stream.seen(/"uri":"test:\/\/secret\/1"/);
    await patch(bench.gate.authority, id, { scopes: ['read'] }, { via: 'api' });
    await stream.seen(/prompts\/list_changed/, 1_000);
    say('notifications/resources/updated', { uri: 'test://secret/1' });
    expect(await heard()).toEqual([
      'notifications/subscriptions/acknowledged',
      'test://secret/1',
      'notifications/tools/list_changed',
      'notifications/prompts/list_changed',
    ]);
    const told = messagesOf(stream.text()).filter(({ method }) => String(method).endsWith('/list_changed')) as {
      params: { _meta: object };
    }[];
    expect(told.map(({ params }) => params._meta)).toEqual([{ [subscriptionId]: 7 }, { [subscriptionId]: 7 }]);
  });

  it('revoked: is cut within a second, and the client is told why (I3)', async () => {
    const { key, id } = await read();
    const { stream } = await listen(key, { toolsListChanged: true });
    const began = performance.now();
    await revoke(bench.gate.authority, id, { reason: 'test', by: { via: 'cli' } });
    const text = await stream.ended;
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(messagesOf(text).at(-1)).toMatchObject({ id: 'sub', error: { data: { reason: 'TOKEN_REVOKED' } } });
  });
});

it('the v2 client listens to a v2 server through the gate', async () => {
  const demo = closers.keep(await startDemoServer({ port: 0, token: 'backend' }));
  const credential = { header: 'authorization', value: 'Bearer backend' };
  const resources = [{ match: 'notes://**', scope: 'read:demo' }];
  const tools = [{ match: '*', scope: 'manage:demo' }];
  const gate = closers.keep(
    await startTestGateway({ upstreams: { demo: { url: demo.url, environment: 'live', credential, tools, resources } } }),
  );
  const { key } = await gate.mint({ scopes: ['manage'] });
  const client = await connectV2Modern(`${gate.url}/mcp/demo`, key);
  const changed = Promise.withResolvers<void>();
  client.setNotificationHandler('notifications/resources/list_changed', () => changed.resolve());
  const subscription = await client.listen({ resourcesListChanged: true });
  expect(subscription.honoredFilter).toEqual({ resourcesListChanged: true });
  await client.callTool({ name: 'delete_note', arguments: { id: 'n-1' } });
  await changed.promise;
  await subscription.close();
  expect(await subscription.closed).toBe('local');
  await client.close();
  const [opened] = (await gate.journal('call.intent')).filter(({ method }) => method === 'subscriptions/listen');
  expect(opened).toMatchObject({ decision: 'allowed' });
});
