import { describe, expect, it } from 'vitest';
import { Denial } from '../../../../src/domain/denial.ts';
import { bare, modern, requestOf, type Seen, sessionServer, statelessServer, stubBridge } from './stub.ts';

const initialize = (version = '2025-11-25') =>
  requestOf('session', {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: version, capabilities: {}, clientInfo: { name: 'c', version: '1' } },
  });
const call = requestOf('session', { id: 2, method: 'tools/call', params: { name: 'echo' } }, { session: 'native-id' });
const echo = (seen: Seen) => seen.result({ content: [], resultType: 'complete' });

describe('where the upstream speaks the era of the caller', () => {
  it('a session goes through untouched, and nothing else is asked', async () => {
    const { send, seen } = stubBridge(sessionServer({ 'tools/call': echo }));
    const first = initialize();
    const opened = await send(first).over;
    expect(opened).toMatchObject({ status: 200, ended: true, headers: { 'mcp-session-id': 'up-1' } });
    await send(call).over;
    await send(bare('DELETE', 'native-id')).over;
    expect(seen.map(({ request }) => request)).toEqual([first, call, bare('DELETE', 'native-id')]);
    expect(seen[1]?.request).toBe(call);
  });

  it('a stateless client is asked for once, and then goes through untouched', async () => {
    const { send, seen, methods } = stubBridge(statelessServer({ 'tools/call': echo }));
    const one = modern('tools/call', { name: 'echo' });
    await send(one).over;
    await send(one).over;
    expect(methods()).toEqual(['server/discover', 'tools/call', 'tools/call']);
    expect(seen[1]?.request).toBe(one);
    expect(seen[2]?.request).toBe(one);
  });

  it('an upstream of both is spoken to in the era of each', async () => {
    const { 'server/discover': discover = () => undefined, 'tools/list': list = () => undefined } = statelessServer();
    const { send, methods, seen } = stubBridge(sessionServer({ 'server/discover': discover, 'tools/list': list }));
    expect((await send(initialize()).over).headers).toMatchObject({ 'mcp-session-id': 'up-1' });
    const listing = modern('tools/list');
    await send(listing).over;
    expect(methods()).toEqual(['initialize', 'server/discover', 'tools/list']);
    expect(seen.at(-1)?.request).toBe(listing);
  });

  it('whoever comes while it is asked waits for the same answer', async () => {
    const { send, methods } = stubBridge(statelessServer({ 'tools/call': echo }));
    await Promise.all([1, 2, 3].map((id) => send(modern('tools/call', { name: 'echo' }, id)).over));
    expect(methods().filter((method) => method === 'server/discover')).toHaveLength(1);
  });
});

describe('what is not known for certain is left as it is', () => {
  it.each([401, 403, 429, 500, 503])(
    'a probe that is answered %i says nothing: the request goes as it is, and the next is asked for again',
    async (status) => {
      const { send, methods, seen } = stubBridge({ '*': (one) => one.json(status, {}) });
      const one = modern('tools/call', { name: 'echo' });
      expect(await send(one).over).toMatchObject({ status });
      expect(seen[1]?.request).toBe(one);
      await send(one).over;
      expect(methods()).toEqual(['server/discover', 'tools/call', 'server/discover', 'tools/call']);
    },
  );

  it('neither era is proven where no session opens', async () => {
    const { send, methods } = stubBridge({ '*': (one) => one.json(404, {}) });
    expect(await send(modern('tools/call', { name: 'echo' })).over).toMatchObject({ status: 404 });
    expect(methods()).toEqual(['server/discover', 'initialize', 'tools/call']);
  });

  it('an upstream that hangs is left to the request itself', async () => {
    const { send, seen } = stubBridge({
      'tools/call': echo,
      'server/discover': (one) => one.receiver.onFailure({ kind: 'reset', sent: true, cause: undefined }),
    });
    expect(await send(modern('tools/call', { name: 'echo' })).over).toMatchObject({ status: 200 });
    expect(seen).toHaveLength(2);
  });

  it('an initialize that fails for another reason is answered as it was', async () => {
    const { send, methods } = stubBridge({ '*': (one) => one.json(500, { oops: true }) });
    expect(await send(initialize()).over).toMatchObject({ status: 500, text: '{"oops":true}' });
    expect(methods()).toEqual(['initialize']);
  });
});

describe('what was found out', () => {
  it('is forgotten when the configuration is reloaded', async () => {
    const { send, methods, bridge } = stubBridge(statelessServer({ 'tools/call': echo }));
    await send(modern('tools/call', { name: 'echo' })).over;
    bridge.forget();
    await send(modern('tools/call', { name: 'echo' })).over;
    expect(methods()).toEqual(['server/discover', 'tools/call', 'server/discover', 'tools/call']);
  });

  it('holds for one address of the upstream', async () => {
    const { send, methods } = stubBridge(statelessServer({ 'tools/call': echo }));
    await send(modern('tools/call', { name: 'echo' })).over;
    await send({ ...modern('tools/call', { name: 'echo' }), url: 'http://elsewhere.test/mcp' }).over;
    expect(methods()).toEqual(['server/discover', 'tools/call', 'server/discover', 'tools/call']);
  });

  it('is doubted when an answer says otherwise: a server that became another is found out', async () => {
    const { send, script, clock } = stubBridge(statelessServer({ 'tools/call': echo }));
    await send(modern('tools/call', { name: 'echo' })).over;
    script(sessionServer({ 'tools/call': (one) => (one.header('mcp-session-id') ? echo(one) : one.json(400, {})) }));
    clock.step(11_000);
    expect(await send(modern('tools/call', { name: 'echo' })).over).toMatchObject({ status: 400 });
    expect(await send(modern('tools/call', { name: 'echo' })).over).toMatchObject({ status: 200 });
  });

  it('is doubted too where a server that was bridged takes sessions by now', async () => {
    const { send, script, clock } = stubBridge(statelessServer());
    await send(initialize()).over;
    script(sessionServer());
    clock.step(11_000);
    expect((await send(initialize()).over).failure?.cause).toMatchObject({ reason: 'UPSTREAM_FAILED', facts: { outcome: 'not-sent' } });
    expect((await send(initialize()).over).headers).toMatchObject({ 'mcp-session-id': 'up-1' });
  });

  it('is asked for again after ten minutes', async () => {
    const { send, methods, clock } = stubBridge(statelessServer({ 'tools/call': echo }));
    await send(modern('tools/call', { name: 'echo' })).over;
    clock.step(600_000);
    await send(modern('tools/call', { name: 'echo' })).over;
    expect(methods().filter((method) => method === 'server/discover')).toHaveLength(2);
  });
});

describe('the protocol that the operator names', () => {
  it('session: a stateless client is bridged without a question', async () => {
    const { send, methods } = stubBridge(sessionServer({ 'tools/call': echo }), { protocol: 'session' });
    await send(modern('tools/call', { name: 'echo' })).over;
    expect(methods()).toEqual(['initialize', 'notifications/initialized', 'tools/call']);
  });

  it('stateless: a session client is bridged without a question', async () => {
    const { send, methods } = stubBridge(statelessServer(), { protocol: 'stateless' });
    await send(initialize()).over;
    expect(methods()).toEqual(['server/discover']);
  });

  it('a session that was made up before is unknown once the upstream is spoken to in sessions', async () => {
    const made = await stubBridge(statelessServer()).send(initialize()).over;
    const session = String(made.headers?.['mcp-session-id']);
    const { send } = stubBridge(sessionServer(), { protocol: 'session' });
    const resumed = () => send(requestOf('session', { id: 2, method: 'tools/list' }, { session }));
    expect(resumed).toThrow(Denial);
  });
});
