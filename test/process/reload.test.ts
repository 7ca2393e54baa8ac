import { rename, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { eventually, type Place, preparePlace, type Served } from './served.ts';
import { openStream } from './stream.ts';

const closers: (() => Promise<void>)[] = [];
let first: RecordingUpstream;
let second: RecordingUpstream;
let place: Place;
let gate: Served;
let key: string;

beforeEach(async () => {
  first = await startRecordingUpstream({ sessions: false });
  closers.push(() => first.close());
  second = await startRecordingUpstream({ sessions: false });
  closers.push(() => second.close());
  place = await preparePlace({ upstreams: { first: upstreamConfig(first.url) } });
  closers.push(() => place.remove());
  ({ key } = await place.mint({ scopes: ['read:up'] }));
  gate = await place.serve();
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const both = () => ({ upstreams: { first: upstreamConfig(first.url), second: upstreamConfig(second.url) } });

it('a new upstream, renamed into place, serves at once, and a running stream and call go on', async () => {
  const release = Promise.withResolvers<void>();
  first.script(async (request, _response, ordinary) => {
    if (request.method === 'POST') await release.promise;
    await ordinary();
  });
  const stream = await openStream(`${gate.mcpUrl}/mcp/first`, key);
  const running = call('first');
  await first.received(2);
  expect((await call('second')).status).toBe(404);

  await renameInto(both());
  await configEvents('reloaded', 1);
  expect((await call('second')).json.result).toBeDefined();

  first.push({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'after-the-reload' } });
  await stream.received('after-the-reload');
  release.resolve();
  expect((await running).json.result).toBeDefined();
  stream.close();
});

it('an upstream taken out and a rule taken out take effect, written in place; the stream of the old upstream goes on', async () => {
  const stream = await openStream(`${gate.mcpUrl}/mcp/first`, key);
  expect((await call('first', 'forbidden_soon')).json.result).toBeDefined();
  const rules = [{ match: 'allowed_*', scope: 'read:up', price: '0.01' }];
  await writeInPlace({ upstreams: { first: upstreamConfig(first.url, { tools: rules }), second: upstreamConfig(second.url) } });
  await configEvents('reloaded', 1);
  expect((await call('first', 'allowed_still')).json.result).toBeDefined();
  expect((await call('first', 'forbidden_soon')).json.error?.data).toMatchObject({ reason: 'TOOL_NOT_ALLOWED' });

  await writeInPlace({ upstreams: { second: upstreamConfig(second.url) } });
  await configEvents('reloaded', 2);
  expect((await call('first', 'allowed_still')).json.error?.data).toMatchObject({ reason: 'UNKNOWN_ENDPOINT' });
  expect((await call('second')).json.result).toBeDefined();
  first.push({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'still-here' } });
  await stream.received('still-here');
  stream.close();
});

it('a broken file keeps the last good configuration, with metric, log and record; the next good one is taken (A52)', async () => {
  const whole = JSON.stringify(configuration(both()));
  await writeFile(place.configFile, whole.slice(0, whole.length / 2)); // half written
  await configEvents('rejected', 1);
  expect((await call('first')).json.result).toBeDefined();
  expect((await call('second')).status).toBe(404);
  await gate.printed(/the last good one stays in force/);

  await writeInPlace({ upstreams: { first: { ...upstreamConfig(first.url), url: 'not a url' } } });
  await configEvents('rejected', 2);
  expect((await call('first')).json.result).toBeDefined();

  await writeFile(place.configFile, whole);
  await configEvents('reloaded', 1);
  expect((await call('second')).json.result).toBeDefined();
  const kinds = (await place.journal()).map(({ kind }) => kind).filter((kind) => kind.startsWith('config.'));
  expect(kinds).toEqual(['config.rejected', 'config.rejected', 'config.reloaded']);
});

it('SIGHUP reads the configuration again, also at once after the start', async () => {
  // The bytes are the same, so the watch has nothing to tell: only the signal asks.
  gate.kill('SIGHUP');
  await configEvents('reloaded', 1);
  expect((await call('first')).json.result).toBeDefined();
});

function call(upstream: string, tool = 'any_tool') {
  return post(`${gate.mcpUrl}/mcp/${upstream}`, { key, body: toolCall(tool) });
}

function configuration(config: Record<string, unknown>): Record<string, unknown> {
  return { listen: { mcp: '127.0.0.1:0', admin: '127.0.0.1:0' }, store: './var', ...config };
}

async function writeInPlace(config: Record<string, unknown>): Promise<void> {
  await writeFile(place.configFile, JSON.stringify(configuration(config)));
}

async function renameInto(config: Record<string, unknown>): Promise<void> {
  await writeFile(`${place.configFile}.new`, JSON.stringify(configuration(config)));
  await rename(`${place.configFile}.new`, place.configFile);
}

/** Resolves once the metric has counted as many events. The gateway tells nobody else from outside when it has reloaded. */
async function configEvents(event: 'reloaded' | 'rejected', count: number): Promise<void> {
  await eventually(`${count} configurations ${event}`, async () => {
    const text = await (await fetch(`${gate.adminUrl}/metrics`)).text();
    const counted = Number(new RegExp(`^keygate_config_events_total\\{event="${event}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
    return counted >= count ? true : undefined;
  });
}
