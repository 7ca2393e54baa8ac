import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { patch } from '../../src/authority/patch.ts';
import { type Bench, startBench } from '../support/bench.ts';
import { inSession } from '../support/eras.ts';
import { messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { answerTo } from '../support/recording-upstream.ts';

const up = {
  resources: [
    { match: 'test://public/**', scope: 'read:up' },
    { match: 'test://secret/**', scope: 'manage:up' },
  ],
};
const listChanges = ['tools', 'resources', 'prompts'].map((kind) => `notifications/${kind}/list_changed`);
const roundMsMax = 1_000;

let bench: Bench;
const open: OpenStream[] = [];

beforeAll(async () => {
  bench = await startBench({ up });
});
afterAll(() => bench.close());
afterEach(async () => {
  for (const stream of open.splice(0)) stream.leave();
  await bench.alive();
});

async function listen(key: string): Promise<OpenStream> {
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${key}`, 'mcp-protocol-version': '2025-11-25' };
  const stream = await openStream(bench.url, { headers });
  expect(stream.status).toBe(200);
  open.push(stream);
  return stream;
}

const updated = (uri: string) => bench.upstream.push({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });

/** Every message so far, once an update that the key may see has come through behind all that was sent before it. */
async function seenBy(stream: OpenStream): Promise<string[]> {
  const mark = `test://public/${Math.random()}`;
  updated(mark);
  const messages = messagesOf(await stream.seen(new RegExp(mark))) as { method: string; params?: { uri?: string } }[];
  return messages.filter(({ params }) => !params?.uri?.startsWith('test://public/')).map(({ method, params }) => params?.uri ?? method);
}

/** A change by another process: nobody tells this one. */
async function changeElsewhere(id: string, change: object): Promise<void> {
  await patch({ ...bench.gate.authority, keyring: bench.gate.gateway.composed.store.keyring }, id, change, { via: 'cli' });
}

/** A change by this process. */
async function changeHere(id: string, change: object): Promise<void> {
  await patch(bench.gate.authority, id, change, { via: 'api' });
}

const changes = [
  ['by this process', changeHere],
  ['by another process', changeElsewhere],
] as const;

describe.each(changes)('a key changed %s, whose stream stays open', (_, change) => {
  it('narrowed: the client is told at once, and hears no more of what it lost (I3, I7)', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read', 'manage'] });
    const stream = await listen(key);
    updated('test://secret/before');
    await stream.seen(/secret\/before/);
    await change(id, { scopes: ['read'] });
    await stream.seen(/prompts\/list_changed/, roundMsMax);
    updated('test://secret/after');
    expect(await seenBy(stream)).toEqual(['test://secret/before', ...listChanges]);
  });

  it('widened: the client is told, and hears of what it won', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read'] });
    const stream = await listen(key);
    updated('test://secret/before');
    expect(await seenBy(stream)).toEqual([]);
    await change(id, { scopes: ['read', 'manage'] });
    await stream.seen(/prompts\/list_changed/, roundMsMax);
    updated('test://secret/after');
    expect(await seenBy(stream)).toEqual([...listChanges, 'test://secret/after']);
  });

  it('with its parent narrowed, a child is told too', async () => {
    const parent = await bench.gate.mint({ scopes: ['read', 'manage'] });
    const child = await bench.gate.mint({ parentId: parent.id });
    const stream = await listen(child.key);
    await change(parent.id, { scopes: ['read'] });
    await stream.seen(/prompts\/list_changed/, roundMsMax);
    updated('test://secret/after');
    expect(await seenBy(stream)).toEqual(listChanges);
  });

  it('other tools: the client is told', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read'] });
    const stream = await listen(key);
    await change(id, { tools: ['tool_1'] });
    await stream.seen(/tools\/list_changed/, roundMsMax);
  });

  it.each([
    ['the upstream', { upstreams: ['other'] }, 'TOOL_NOT_ALLOWED'],
    ['the address', { addresses: ['10.0.0.0/8'] }, 'ADDRESS_NOT_ALLOWED'],
  ])('without %s any more: its stream is cut within a second (I3)', async (_what, narrowing, reason) => {
    const own = await startBench({ up, also: { other: {} } });
    const { key, id } = await own.gate.mint({ scopes: ['read'] });
    const stream = await openStream(own.url, { headers: { accept: 'text/event-stream', authorization: `Bearer ${key}` } });
    const { authority, gateway } = own.gate;
    const keyring = change === changeHere ? authority.keyring : gateway.composed.store.keyring;
    const began = performance.now();
    await patch({ ...authority, keyring }, id, narrowing, { via: 'cli' });
    await stream.ended;
    expect(performance.now() - began).toBeLessThan(roundMsMax);
    const [outcome] = (await own.gate.journalled('call.outcome', 1)).slice(-1);
    expect(outcome).toMatchObject({ keyId: id, method: 'stream/open', reason });
    await own.close();
  });
});

describe('a stream', () => {
  it('hears nothing of a change that shows it nothing else', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read'] });
    const stream = await listen(key);
    await changeHere(id, { name: 'another name', budgets: [{ amount: '5', per: 'day' }] });
    await bench.gate.gateway.composed.live.heard('all');
    expect(await seenBy(stream)).toEqual([]);
  });

  it('is not widened beyond the access token that opened it', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read', 'manage'] });
    const caller = await bench.gate.gateway.composed.callers.byKey(key);
    if (!caller) throw new Error('the key is gone');
    const issued = await bench.gate.gateway.composed.issueToken({ caller, scopes: ['read'] });
    const stream = await listen(issued.accessToken);
    await changeHere(id, { scopes: ['read', 'manage', 'write'] });
    await stream.seen(/prompts\/list_changed/, roundMsMax);
    updated('test://secret/after');
    expect(await seenBy(stream)).toEqual(listChanges);
  });

  it('that answers a call is judged anew as well, but carries nothing that belongs to no call', async () => {
    const { key, id } = await bench.gate.mint({ scopes: ['read', 'manage'] });
    const go = Promise.withResolvers<void>();
    const update = (uri: string) => JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } });
    bench.upstream.script(async (request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${update('test://secret/before')}\n\n`);
      await go.promise;
      response.end(`data: ${update('test://secret/after')}\n\ndata: ${JSON.stringify(answerTo(request))}\n\n`);
    });
    const { body, headers } = inSession('tools/call', { name: 'tool_0' });
    const accept = 'application/json, text/event-stream';
    const stream = await openStream(bench.url, {
      method: 'POST',
      headers: { ...headers, accept, 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify(body),
    });
    await stream.seen(/secret\/before/);
    await changeHere(id, { scopes: ['read'] });
    go.resolve();
    const messages = messagesOf(await stream.ended);
    expect(messages.map(({ method, result }) => method ?? typeof result)).toEqual(['notifications/resources/updated', 'object']);
  });
});
