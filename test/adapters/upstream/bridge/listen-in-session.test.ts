import { expect, it } from 'vitest';
import { modern, type Scripts, type Seen, sessionServer, stubBridge } from './stub.ts';

const filter = { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: ['a://1', 'a://2'] };
const listen = (notifications: object = filter) => ({
  ...modern('subscriptions/listen', { notifications }, 'sub'),
  silenceTimeoutMs: 0,
  long: true,
});
const stamp = { 'io.modelcontextprotocol/subscriptionId': 'sub' };
const note = (method: string, params?: object) => ({ jsonrpc: '2.0', method, ...(params && { params }) });

async function listening(more: Scripts = {}) {
  const opened = Promise.withResolvers<Seen>();
  const subscribe = (seen: Seen) =>
    seen.body.params?.['uri'] === 'a://2'
      ? seen.json(200, { jsonrpc: '2.0', id: seen.body.id, error: { code: -32602, message: 'no' } })
      : seen.result({});
  const stub = stubBridge(sessionServer({ GET: opened.resolve, 'resources/subscribe': subscribe, ...more }), { protocol: 'session' });
  const sent = stub.send(listen());
  return { ...stub, ...sent, stream: await opened.promise };
}

it('a stream in a session of its own, which says first what it will tell of', async () => {
  const { stream, answered, methods } = await listening();
  stream.events();
  expect(methods()).toEqual(['initialize', 'notifications/initialized', 'resources/subscribe', 'resources/subscribe', 'GET']);
  expect(stream.request).toMatchObject({ method: 'GET', era: 'session', session: 'up-1', long: true, silenceTimeoutMs: 0 });
  expect(stream.request.body).toBeUndefined();
  expect(answered.status).toBe(200);
  // Prompts do not change at this server, and one of the resources cannot be subscribed to.
  expect(answered.messages()).toEqual([
    note('notifications/subscriptions/acknowledged', {
      notifications: { toolsListChanged: true, resourceSubscriptions: ['a://1'] },
      _meta: stamp,
    }),
  ]);
});

it('changes that were asked for come under the id of the subscription; nothing else does', async () => {
  const { stream, answered } = await listening();
  stream.events(
    note('notifications/tools/list_changed'),
    note('notifications/resources/list_changed'),
    note('notifications/resources/updated', { uri: 'a://1', _meta: { 'com.example/x': 1 } }),
    note('notifications/resources/updated', { uri: 'a://3' }),
    note('notifications/message', { level: 'info', data: 'no' }),
  );
  expect(answered.messages().slice(1)).toEqual([
    note('notifications/tools/list_changed', { _meta: stamp }),
    note('notifications/resources/updated', { uri: 'a://1', _meta: { ...stamp, 'com.example/x': 1 } }),
  ]);
});

it("the session ends with the client's stream", async () => {
  const { stream, exchange, over, seen } = await listening();
  stream.events();
  exchange.abort();
  await over;
  await new Promise(setImmediate);
  expect(stream.aborted).toBe(true);
  expect(seen.at(-1)?.request).toMatchObject({ method: 'DELETE', session: 'up-1' });
});

it("the session ends with the server's stream", async () => {
  const { stream, over, seen } = await listening();
  stream.events();
  stream.receiver.onEnd();
  expect((await over).ended).toBe(true);
  await new Promise(setImmediate);
  expect(seen.at(-1)?.request.method).toBe('DELETE');
});

it('a server without a stream of changes is a refusal with the reason', async () => {
  const { stream, over } = await listening();
  stream.json(405, undefined);
  expect((await over).failure?.cause).toMatchObject({ reason: 'UNKNOWN_METHOD', message: expect.stringContaining('no stream of changes') });
});

it('more resources than one listener may name are a refusal', async () => {
  const { send } = stubBridge(sessionServer(), { protocol: 'session' });
  const uris = Array.from({ length: 101 }, (_, at) => `a://${at}`);
  expect((await send(listen({ resourceSubscriptions: uris })).over).failure?.cause).toMatchObject({ reason: 'INVALID_MESSAGE' });
});
