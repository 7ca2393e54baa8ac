import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { callReached, cancelReached, heardOverHttp } from '../../compatibility/heard.ts';
import { connectV2Modern } from '../../support/clients.ts';
import { type EverythingServer, startEverythingServer } from '../../support/everything-server.ts';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';

let gate: TestGateway;
let key: string;
let events: EverythingServer;

beforeAll(async () => {
  events = await startEverythingServer('sse');
  const entry = join(createRequire(import.meta.url).resolve('@modelcontextprotocol/server-everything/package.json'), '../dist/index.js');
  const tools = [{ match: '*', scope: 'read:up', price: '0.01' }];
  const child = { command: process.execPath, args: [entry, 'stdio'], tools };
  gate = await startTestGateway({
    upstreams: { child, shared: { ...child, stdio: { process: 'shared' } }, events: { url: events.url, transport: 'sse', tools } },
  });
  key = (await gate.mint({ scopes: ['read'] })).key;
});

afterAll(async () => {
  await gate?.close();
  await events?.close();
});

it.each(['child', 'shared', 'events'])(
  'a client of 2026-07-28 in front of a session server behind %s: lists, calls, hears of progress',
  async (upstream) => {
    const client = await connectV2Modern(`${gate.url}/mcp/${upstream}`, key);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('echo');
    expect(JSON.stringify(await client.callTool({ name: 'echo', arguments: { message: 'over the bridge' } }))).toContain('over the bridge');
    const seen: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
    await client.callTool({ name: 'trigger-long-running-operation', arguments: { duration: 0.2, steps: 4 } }, { onprogress });
    expect(seen).toEqual([1, 2, 3, 4]);
    await client.close();
  },
);

it('a call that such a client gives up is given up behind the bridge, where only a message can say so', async () => {
  const client = await connectV2Modern(`${gate.url}/mcp/events`, key);
  const heard = heardOverHttp(events);
  const after = (await heard.messages()).length;
  const leave = new AbortController();
  const long = { name: 'trigger-long-running-operation', arguments: { duration: 30, steps: 2 } };
  const given = client.callTool(long, { signal: leave.signal }).catch(String);
  await callReached(heard, { tool: long.name, after });
  leave.abort();
  await cancelReached(heard, after);
  await given;
  await client.close();
});
