import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDemoServer } from '../../../examples/demo-server/server.ts';
import { connectV2Modern } from '../../support/clients.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../../support/gateway.ts';
import { startRecordingPassthrough } from '../../support/recording-passthrough.ts';

let demo: Awaited<ReturnType<typeof startDemoServer>>;
let front: Awaited<ReturnType<typeof startRecordingPassthrough>>;
let gate: TestGateway;
let key: string;

beforeAll(async () => {
  demo = await startDemoServer({ port: 0, token: 'upstream-secret' });
  front = await startRecordingPassthrough(demo.port);
  // The server speaks both eras; it is spoken to in sessions alone.
  gate = await startTestGateway({ upstreams: { up: upstreamConfig(`http://127.0.0.1:${front.port}/mcp`, { protocol: 'session' }) } });
  key = (await gate.mint({ scopes: ['read'] })).key;
});

afterAll(async () => {
  await gate?.close();
  await front?.close();
  await demo?.close();
});

it('a client of 2026-07-28 hears that a list of a session server has changed; what it listened with ends with it', async () => {
  const client = await connectV2Modern(`${gate.url}/mcp/up`, key);
  const heard = Promise.withResolvers<void>();
  client.setNotificationHandler('notifications/resources/list_changed', () => heard.resolve());
  const listening = await client.listen({ resourcesListChanged: true });
  expect(listening.honoredFilter).toEqual({ resourcesListChanged: true });
  await client.callTool({ name: 'delete_note', arguments: { id: 'n-1' } });
  await heard.promise;

  const [stream] = front.requests.filter(({ method }) => method === 'GET');
  await listening.close();
  const [ended] = await front.received(1, ({ method }) => method === 'DELETE');
  expect(ended?.headers['mcp-session-id']).toBe(stream?.headers['mcp-session-id']);
  const called = front.requests.find(({ body }) => body.includes('delete_note'));
  expect(called?.headers['mcp-session-id']).not.toBe(stream?.headers['mcp-session-id']);
  await client.close();
});
