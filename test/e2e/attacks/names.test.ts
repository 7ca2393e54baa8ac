import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../../support/bench.ts';
import { stateless } from '../../support/eras.ts';
import { only, rpcError, status } from '../../support/misbehaviours.ts';
import { post, toolCall } from '../../support/post.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await startBench({
    config: { limits: { failedAuthPerMinuteMax: 1_000_000 } },
    up: { tools: [{ match: 'tool_*', scope: 'read:up' }] },
  });
});
afterAll(() => bench.close());
afterEach(() => bench.upstream.script(undefined));

const evil = 'one\r\nSet-Cookie: a=b\u001b[2J\u0007\u0000\u2028two';

describe('A18: line breaks and control characters in what others chose', () => {
  it('a tool’s name, an unknown method, a user agent: one line of JSON each in log and journal, no header of their making', async () => {
    const before = bench.gate.logged().length;
    const answers = [
      await post(bench.url, { key: bench.key, body: toolCall(evil) }),
      await post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: 1, method: evil } }),
      await post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: evil, method: 'tools/call', params: { name: 'none' } } }),
      await post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: `x://${evil}` } } }),
      await post(bench.url, { key: bench.key, body: toolCall('none'), headers: { 'user-agent': 'a\u00ff\tb' } }),
    ];
    for (const { headers, text } of answers) {
      expect(headers.get('set-cookie')).toBeNull();
      expect(text).not.toContain('\u001b');
      expect(() => JSON.parse(text) as unknown).not.toThrow();
    }
    const lines = bench.gate.logged().slice(before).split('\n').filter(Boolean);
    for (const line of lines) expect(() => JSON.parse(line) as unknown, line).not.toThrow();
    for (const { text } of await bench.gate.authority.journal.read({ after: 0, limit: 1_000 })) {
      expect(text).not.toMatch(/[\r\n\u001b\u0000]/);
      JSON.parse(text);
    }
    const refused = await bench.gate.journal('call.refused');
    expect(refused.filter(({ tool }) => tool === evil)).toHaveLength(1);
  });

  it.each([
    ['a JSON-RPC error', rpcError(-32_000, evil)],
    ['an HTTP error', status(500, { error: evil })],
    ['a 404', status(404, { error: evil })],
  ])('an upstream’s own words in %s split nothing', async (_name, respond) => {
    bench.upstream.script(only('tools/call', respond));
    const before = bench.gate.logged().length;
    const { headers, text } = await post(bench.url, { key: bench.key, body: toolCall('tool_0', {}, 'own') });
    expect(headers.get('set-cookie')).toBeNull();
    expect((JSON.parse(text) as { id: unknown }).id).toBe('own');
    for (const line of bench.gate.logged().slice(before).split('\n').filter(Boolean)) JSON.parse(line);
    await bench.settled();
  });

  it('a key’s name with them is refused by the API, or kept as JSON that no browser takes for a page (A17)', async () => {
    const { key } = await bench.gate.mint({ kind: 'operator', scopes: ['manage'] });
    const names = [evil, '<img src=x onerror=alert(1)>', 'javascript:alert(1)', '"><script>alert(1)</script>', '=cmd|calc'];
    for (const name of names) {
      const answer = await fetch(`${bench.gate.adminUrl}/api/v1/keys/mint`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name, scopes: ['read:up'] }),
      });
      const text = await answer.text();
      expect([201, 422], text).toContain(answer.status);
      if (name === evil) expect(answer.status).toBe(422);
      expect(answer.headers.get('content-type')).toMatch(/^application\/(?:problem\+)?json$/);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
    const listed = await fetch(`${bench.gate.adminUrl}/api/v1/keys`, { headers: { authorization: `Bearer ${key}` } });
    expect(listed.headers.get('content-type')).toBe('application/json');
    expect(listed.headers.get('x-content-type-options')).toBe('nosniff');
  });
});

describe('A06: headers that mirror arguments', () => {
  it('a server that finds them different from the body refuses, and the client hears so with its own id; it was asked once, with the header as it was sent', async () => {
    const { body, headers } = stateless('tools/call', { name: 'tool_0', arguments: { region: 'eu' } }, 'own');
    bench.upstream.script(only('tools/call', rpcError(-32_020, 'Mcp-Param-Region differs from the body', 400)));
    const before = bench.upstream.calls('tools/call').length;
    const answer = await post(bench.url, { key: bench.key, body, headers: { ...headers, 'mcp-param-region': 'us' } });
    expect([answer.status, answer.json.id, answer.json.error?.code]).toEqual([400, 'own', -32_020]);
    const seen = bench.upstream.calls('tools/call').slice(before);
    expect(seen.map((request) => request.headers['mcp-param-region'])).toEqual(['us']);
    expect(seen[0]?.body).toBe(JSON.stringify(body));
    await bench.settled();
  });

  it('no header of the kind decides anything here, or reaches a server of sessions', async () => {
    const before = bench.upstream.calls('tools/call').length;
    const refused = stateless('tools/call', { name: 'none', arguments: {} }, 'own');
    const answer = await post(bench.url, {
      key: bench.key,
      body: refused.body,
      headers: { ...refused.headers, 'mcp-param-name': 'tool_0' },
    });
    expect([answer.status, answer.json.error?.data.reason]).toEqual([403, 'TOOL_NOT_ALLOWED']);
    await post(bench.url, { key: bench.key, body: toolCall('tool_0'), headers: { 'mcp-param-name': 'none' } });
    const seen = bench.upstream.calls('tools/call').slice(before);
    expect(seen.map((request) => Object.keys(request.headers).filter((name) => name.startsWith('mcp-')))).toEqual([[]]);
    await bench.settled();
  });
});

describe('A61: names that nobody has seen before', () => {
  const many = 1_000;

  it('unknown keys, tools, methods, endpoints and sessions make no new label, and no more than one record each where the caller is known', async () => {
    const labelsOf = async () => {
      const text = await (await fetch(`${bench.gate.adminUrl}/metrics`)).text();
      return text.split('\n').filter((line) => line.startsWith('keygate_')).length;
    };
    const flood = async (make: (n: number) => Promise<{ status: number }>, expected: number) => {
      for (let n = 0; n < many; n += 50) {
        const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => make(n + at)));
        expect(new Set(answers.map(({ status: code }) => code))).toEqual(new Set([expected]));
      }
    };
    const headers = (n: number) => ({ 'mcp-session-id': `session-${n}` });
    // One of each first: what comes after them is nothing new.
    const floods: [(n: number) => Promise<{ status: number }>, number][] = [
      [(n) => post(bench.url, { key: `kg_live_${n}`, body: toolCall('none') }), 401],
      [(n) => post(bench.url, { key: bench.key, body: toolCall(`none_${n}`) }), 403],
      [(n) => post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: n, method: `none/${n}` } }), 404],
      [(n) => post(`${bench.gate.url}/mcp/none-${n}`, { key: bench.key, body: toolCall('none') }), 404],
      [(n) => post(bench.url, { key: bench.key, body: toolCall('tool_0'), headers: headers(n) }), 404],
    ];
    for (const [make, code] of floods) expect((await make(-1)).status).toBe(code);
    const before = { labels: await labelsOf(), requests: bench.upstream.requests.length, records: (await bench.gate.journal()).length };
    for (const [make, code] of floods) await flood(make, code);
    expect(await labelsOf()).toBe(before.labels);
    expect(bench.upstream.requests.length).toBe(before.requests);
    await bench.gate.gateway.composed.tally.flush();
    const written = (await bench.gate.journal()).slice(before.records);
    expect(written.filter(({ kind }) => kind === 'call.refused')).toHaveLength(many * 4);
    // Those of nobody are counted, not written one by one: a flood must not fill the disk.
    const counted = written.filter(({ kind }) => kind === 'refusals.counted');
    expect(counted.reduce((sum, { count }) => sum + Number(count), 0)).toBeGreaterThanOrEqual(many);
    expect(counted.length).toBeLessThan(many / 10);
    expect((await post(bench.url, { key: bench.key, body: toolCall('tool_0') })).status).toBe(200);
  });
});
