import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectV1, connectV2Auto, connectV2Legacy, type V1Client } from './clients.ts';
import { type EverythingServer, startEverythingServer } from './everything-server.ts';
import { rpcId, rpcMethod } from './recorded-request.ts';

let everything: EverythingServer;
let client: V1Client;
beforeAll(async () => {
  everything = await startEverythingServer('streamableHttp');
  client = await connectV1(everything.url, 'any');
});
afterAll(async () => {
  await client.close();
  await everything.close();
});

test('lists its tools, also those that need a capability of the client', async () => {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual([
    'echo',
    'get-annotated-message',
    'get-env',
    'get-resource-links',
    'get-resource-reference',
    'get-structured-content',
    'get-sum',
    'get-tiny-image',
    'gzip-file-as-resource',
    'toggle-simulated-logging',
    'toggle-subscriber-updates',
    'trigger-long-running-operation',
    'get-roots-list',
    'trigger-elicitation-request',
    'trigger-url-elicitation',
    'trigger-sampling-request',
    'simulate-research-query',
  ]);
});

test('echoes, and the request that reached it is recorded', async () => {
  expect(await client.callTool({ name: 'echo', arguments: { message: 'héllo' } })).toMatchObject({ content: [{ text: 'Echo: héllo' }] });
  const [call] = everything.requests.filter((request) => rpcMethod(request) === 'tools/call' && request.body.includes('héllo'));
  expect(call?.headers).toMatchObject({ authorization: 'Bearer any', 'mcp-protocol-version': '2025-11-25' });
  expect(call?.method).toBe('POST');
  expect(await call?.answered).toBe(true);
});

test('asks the client for a sample and uses the answer', async () => {
  const before = everything.requests.length;
  const result = await client.callTool({ name: 'trigger-sampling-request', arguments: { prompt: 'say something', maxTokens: 10 } });
  expect(JSON.stringify(result.content)).toContain('a sampled answer');
  // The client's answer is a POST of its own, without a method and with the server's id.
  const answers = everything.requests.slice(before).filter((request) => rpcMethod(request) === undefined);
  expect(answers.map(rpcId)).toEqual([expect.any(Number)]);
});

test('asks the user, through the client, and uses the answer', async () => {
  const asked: unknown[] = [];
  const other = await connectV1(everything.url, 'any', {
    elicitation: (params) => {
      asked.push(params);
      return { action: 'accept', content: { name: 'Ada', check: true, integer: 7 } };
    },
  });
  const result = await other.callTool({ name: 'trigger-elicitation-request', arguments: {} });
  expect(asked).toMatchObject([{ message: 'Please provide inputs for the following fields:' }]);
  expect(JSON.stringify(result.content)).toContain('Ada');
  await other.close();
});

test('asks for the roots on the GET stream', async () => {
  const asked = Promise.withResolvers<void>();
  const other = await connectV2Legacy(everything.url, 'any', {
    roots: () => {
      asked.resolve();
      return { roots: [{ uri: 'file:///tmp/of-this-test', name: 'of-this-test' }] };
    },
  });
  await asked.promise;
  expect(JSON.stringify(await other.callTool({ name: 'get-roots-list', arguments: {} }))).toContain('file:///tmp/of-this-test');
  await other.close();
});

test('reports the progress of a long operation', async () => {
  const steps: unknown[] = [];
  const result = await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.05, steps: 5 } }, undefined, {
    onprogress: (step) => steps.push(step),
  });
  expect(result).toMatchObject({ content: [{ text: expect.stringContaining('completed') }] });
  expect(steps).toEqual([1, 2, 3, 4, 5].map((progress) => ({ progress, total: 5 })));
});

test('a client that probes for 2026-07-28 falls back to a session', async () => {
  const probing = await connectV2Auto(everything.url, 'any');
  expect(probing.getProtocolEra()).toBe('legacy');
  await probing.close();
});

test('it listens on 127.0.0.1 only, and close() ends the process', async () => {
  const other = await startEverythingServer('sse');
  expect(process.kill(other.pid, 0)).toBe(true);
  const stream = await fetch(other.directUrl, { headers: { accept: 'text/event-stream' } });
  expect(stream.headers.get('content-type')).toContain('text/event-stream');
  await stream.body?.cancel();
  // Another address of this machine: were the server on every interface, this would connect.
  await expect(fetch(other.directUrl.replace('127.0.0.1', '127.0.0.2'))).rejects.toThrow();
  await other.close();
  expect(() => process.kill(other.pid, 0)).toThrow('ESRCH');
});
