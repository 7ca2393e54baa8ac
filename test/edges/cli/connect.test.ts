import type { ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { runCommand } from './run-command.ts';
import { beginEvents, json, type Reply, startStub } from './stub-gateway.ts';

const key = 'kg_live_AbCd1234_secret';

interface Message {
  readonly id?: string | number | null;
  readonly method?: string;
  readonly result?: { readonly [name: string]: unknown };
  readonly error?: { readonly code: number; readonly message: string };
}

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A client on one side, a stub gateway on the other, the bridge between them. */
async function bridge(reply: Reply, options: { env?: Record<string, string>; url?: string } = {}) {
  const stub = await startStub(reply);
  closing.push(() => stub.close());
  const input = new PassThrough();
  const received: Message[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let err = '';
  const done = runCommand(['connect', options.url ?? stub.url], {
    env: options.env ?? { AGENT_API_KEY: key },
    input,
    out: (text) => {
      expect(text).toMatch(/^[^\n]+\n$/);
      received.push(JSON.parse(text) as Message);
      for (const one of waiting) if (received.length >= one.count) one.resolve();
    },
    err: (text) => {
      err += text;
    },
  });
  closing.push(() => void input.end());
  return {
    ...stub,
    received,
    told: () => err,
    send: (...messages: unknown[]) =>
      input.write(messages.map((message) => `${typeof message === 'string' ? message : JSON.stringify(message)}\n`).join('')),
    /** Resolves when so many messages have come, in all. */
    got: async (count: number): Promise<void> => {
      if (received.length >= count) return;
      await new Promise<void>((resolve) => waiting.push({ count, resolve }));
    },
    finish: async (): Promise<number> => {
      input.end();
      return (await done).code;
    },
  };
}

const initialize = { jsonrpc: '2.0', id: 0, method: 'initialize', params: { protocolVersion: '2025-11-25' } };
const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' };
const call = (id: string | number, name = 'get_page') => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name } });
const resultOf = (id: unknown, result: object = {}) => ({ jsonrpc: '2.0', id, result });

/** A session-era gateway: the handshake as usual, the rest as the test says. */
function session(rest: (message: Message & { params?: { name?: string } }, response: ServerResponse) => void, listen?: Reply): Reply {
  return (seen, response) => {
    if (seen.method === 'GET') return listen ? listen(seen, response) : void response.writeHead(405).end();
    if (seen.method === 'DELETE') return void response.writeHead(200).end();
    const message = JSON.parse(seen.body) as Message;
    if (message.method === 'initialize')
      return json(response, resultOf(message.id, { protocolVersion: '2025-06-18' }), { headers: { 'mcp-session-id': 's-1' } });
    if (message.method === 'notifications/initialized') return void response.writeHead(202).end();
    return rest(message, response);
  };
}

describe('connect: a session', () => {
  it('carries the handshake, the session and its end', async () => {
    const listened = Promise.withResolvers<void>();
    const over = await bridge(
      session(
        (message, response) => json(response, resultOf(message.id, { ok: true })),
        (_seen, response) => {
          response.writeHead(405).end();
          listened.resolve();
        },
      ),
    );
    over.send(initialize);
    await over.got(1);
    over.send(initialized, call('a'));
    await over.got(2);
    await listened.promise;
    expect(await over.finish()).toBe(0);
    expect(over.received).toEqual([resultOf(0, { protocolVersion: '2025-06-18' }), resultOf('a', { ok: true })]);

    const [first, ...later] = over.seen;
    expect(first?.headers).toMatchObject({
      authorization: `Bearer ${key}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
    });
    expect(first?.headers['mcp-session-id']).toBeUndefined();
    expect(first?.headers['mcp-protocol-version']).toBeUndefined();
    expect(later.map(({ method }) => method).sort()).toEqual(['DELETE', 'GET', 'POST', 'POST']);
    expect(over.seen.at(-1)?.method).toBe('DELETE');
    for (const { headers } of later)
      expect(headers).toMatchObject({ authorization: `Bearer ${key}`, 'mcp-session-id': 's-1', 'mcp-protocol-version': '2025-06-18' });
    expect(over.told()).toBe('');
  });

  it('forwards streams in order: requests of the gateway, then the answer', async () => {
    const answers: Message[] = [];
    const over = await bridge(
      session((message, response) => {
        if (message.method === undefined) {
          answers.push(message);
          response.writeHead(202).end();
          return;
        }
        beginEvents(response);
        response.write(': keepalive\n\nid: 1\ndata:\n\n');
        response.write('data: {"jsonrpc":"2.0","method":"notifications/progress"}\r\n\r\n');
        response.write(
          'event: message\ndata: {"jsonrpc":"2.0",\ndata: "id":"up","method":"sampling/createMessage"}\n\nevent: other\ndata: ignored\n\n',
        );
        response.end(`data: ${JSON.stringify(resultOf(message.id))}\n\n`);
      }),
    );
    over.send(initialize);
    await over.got(1);
    over.send(initialized, call(1));
    await over.got(4);
    over.send(resultOf('up'));
    expect(await over.finish()).toBe(0);
    expect(over.received.slice(1).map(({ method, id }) => method ?? id)).toEqual(['notifications/progress', 'sampling/createMessage', 1]);
    expect(answers).toEqual([resultOf('up')]);
  });

  it('lets a quick call overtake a slow one, but not the handshake', async () => {
    let slow: (() => void) | undefined;
    const over = await bridge(
      session((message, response) => {
        const answer = (): void => json(response, resultOf(message.id));
        if (message.params?.name === 'slow') slow = answer;
        else {
          answer();
          slow?.();
        }
      }),
    );
    over.send(initialize, initialized, call('s', 'slow'), call('q', 'quick'));
    await over.got(3);
    expect(over.received.map(({ id }) => id)).toEqual([0, 'q', 's']);
    const methods = over.seen.filter(({ method }) => method === 'POST').map(({ body }) => (JSON.parse(body) as Message).method);
    expect(methods.slice(0, 2)).toEqual(['initialize', 'notifications/initialized']);
    expect(over.seen.slice(1).every(({ headers }) => headers['mcp-session-id'] === 's-1')).toBe(true);
  });

  it('hears what the gateway says unasked, and reconnects from where it was', async () => {
    let opened = 0;
    const over = await bridge(
      session(
        () => undefined,
        (seen, response) => {
          opened += 1;
          beginEvents(response);
          response.write(
            `retry: 5\nid: e${opened}\ndata: {"jsonrpc":"2.0","method":"n${opened}","params":{"from":"${seen.headers['last-event-id'] ?? ''}"}}\n\n`,
          );
          if (opened === 1) response.end();
        },
      ),
    );
    over.send(initialize, initialized);
    await over.got(3);
    expect(over.received.slice(1)).toEqual([
      { jsonrpc: '2.0', method: 'n1', params: { from: '' } },
      { jsonrpc: '2.0', method: 'n2', params: { from: 'e1' } },
    ]);
    expect(await over.finish()).toBe(0);
  });

  it('asks for the rest of an answer whose stream ended early', async () => {
    const over = await bridge(
      session(
        (_message, response) => {
          beginEvents(response);
          response.end('retry: 1\nid: half\ndata:\n\n');
        },
        (seen, response) => {
          if (seen.headers['last-event-id'] !== 'half') return void response.writeHead(405).end();
          beginEvents(response);
          response.end(`data: ${JSON.stringify(resultOf(7, { resumed: true }))}\n\n`);
        },
      ),
    );
    over.send(initialize, initialized, call(7));
    await over.got(2);
    expect(over.received[1]).toEqual(resultOf(7, { resumed: true }));
  });

  it('begins anew when the client initializes again', async () => {
    const over = await bridge(session((message, response) => json(response, resultOf(message.id))));
    over.send(initialize);
    await over.got(1);
    over.send({ ...initialize, id: 'again' });
    await over.got(2);
    expect(over.seen[1]?.headers['mcp-session-id']).toBeUndefined();
  });
});

describe('connect: refusals and failures', () => {
  const refusal = (id: unknown, code: number, message: string) => ({ jsonrpc: '2.0', id, error: { code, message } });

  it.each([
    [401, refusal(1, -31401, 'This key has expired.'), true],
    [403, refusal(1, -31403, 'The key lacks a scope.'), true],
    [429, refusal(1, -31429, 'Slow down.'), false],
    [404, refusal(null, -31404, 'The session is unknown.'), false],
  ])('hands the JSON-RPC body of HTTP %i on with the id of the request', async (status, body, isTold) => {
    const over = await bridge((_seen, response) => json(response, body, { status }));
    over.send(call(1));
    await over.got(1);
    expect(over.received).toEqual([{ ...body, id: 1 }]);
    expect(over.told()).toBe(isTold ? `keygate connect: ${body.error.message}\n` : '');
    expect(await over.finish()).toBe(0);
    expect(over.seen.map(({ method }) => method)).toEqual(['POST']);
  });

  it.each([
    ['a page', 502, '<html>bad gateway</html>'],
    ['nothing', 500, ''],
    ['nothing although all is well', 200, ''],
    ['an answer to something else', 200, JSON.stringify(resultOf('other'))],
  ])('answers itself where the body is %s', async (_what, status, body) => {
    const over = await bridge((_seen, response) => json(response, body, { status }));
    over.send(call('x'));
    while (!over.received.some(({ id }) => id === 'x')) await over.got(over.received.length + 1);
    expect(over.received.at(-1)).toMatchObject({ id: 'x', error: { code: -31502, message: expect.stringContaining(`HTTP ${status}`) } });
  });

  it('tells a person where a notification is refused', async () => {
    const over = await bridge((_seen, response) => json(response, refusal(null, -31429, 'Slow\u001b[2J down.'), { status: 429 }));
    over.send({ jsonrpc: '2.0', method: 'notifications/progress' });
    expect(await over.finish()).toBe(0);
    expect(over.received).toEqual([]);
    expect(over.told()).toBe('keygate connect: Slow\\u001b[2J down.\n');
  });

  it('answers every request of a batch where the gateway cannot be reached', async () => {
    const gone = await startStub(() => undefined);
    await gone.close();
    const over = await bridge(() => undefined, { url: gone.url });
    over.send([call(1), call('b'), initialized]);
    await over.got(2);
    expect(over.received).toEqual([1, 'b'].map((id) => refusal(id, -31502, 'the gateway cannot be reached (ECONNREFUSED)')));
    expect(await over.finish()).toBe(0);
  });

  it('A10: does not follow a redirect with the key', async () => {
    const other = await startStub((_seen, response) => json(response, resultOf(1)));
    closing.push(() => other.close());
    const over = await bridge((_seen, response) => void response.writeHead(307, { location: other.url }).end());
    over.send(call(1));
    await over.got(1);
    expect(over.received[0]?.error?.message).toContain('redirect');
    expect(other.seen).toEqual([]);
  });

  it('answers where a stream breaks before the answer', async () => {
    const over = await bridge((_seen, response) => {
      beginEvents(response);
      response.write('data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
      setImmediate(() => response.destroy());
    });
    over.send(call(1));
    await over.got(2);
    expect(over.received[1]).toMatchObject({ id: 1, error: { message: expect.stringContaining('may have taken effect') } });
  });

  it('answers a line that is no message, and goes on', async () => {
    const over = await bridge((seen, response) => json(response, resultOf((JSON.parse(seen.body) as Message).id)));
    over.send('not json', '', '   ', call(1));
    await over.got(2);
    expect(over.received).toEqual([refusal(null, -32700, 'The line is not one JSON-RPC message.'), resultOf(1)]);
  });

  it('takes answers in any form apart, one line each', async () => {
    const over = await bridge((seen, response) => {
      const isBatch = seen.body.startsWith('[');
      json(response, JSON.stringify(isBatch ? [resultOf(1), resultOf(2)] : resultOf(3), null, 2));
    });
    over.send([call(1), call(2)]);
    await over.got(2);
    over.send(call(3));
    await over.got(3);
    expect(over.received.map(({ id }) => id)).toEqual([1, 2, 3]);
  });
});

describe('connect: the stateless era', () => {
  const meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };

  it('repeats version, method and name in headers', async () => {
    const over = await bridge((seen, response) => json(response, resultOf((JSON.parse(seen.body) as Message).id)));
    over.send(
      { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'get_page', _meta: meta } },
      { jsonrpc: '2.0', id: 2, method: 'resources/read', params: { uri: 'wiki://ä', _meta: meta } },
      { jsonrpc: '2.0', id: 3, method: 'server/discover', params: { _meta: meta } },
    );
    await over.got(3);
    const byId = Object.fromEntries(over.seen.map(({ body, headers }) => [(JSON.parse(body) as { id: number }).id, headers]));
    expect(byId[1]).toMatchObject({ 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'get_page' });
    expect(byId[2]).toMatchObject({
      'mcp-method': 'resources/read',
      'mcp-name': `=?base64?${Buffer.from('wiki://ä').toString('base64')}?=`,
    });
    expect(byId[3]?.['mcp-name']).toBeUndefined();
  });

  it('cancels by closing the answer', async () => {
    const closed = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const over = await bridge((_seen, response) => {
      beginEvents(response);
      response.on('close', () => closed.resolve());
      begun.resolve();
    });
    over.send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'slow', _meta: meta } });
    await begun.promise;
    over.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } });
    await closed.promise;
    expect(await over.finish()).toBe(0);
    expect(over.received).toEqual([]);
    expect(over.seen).toHaveLength(1);
  });
});

describe('connect: the key and the address', () => {
  it('takes the key from either variable, never from the command line', async () => {
    const over = await bridge((seen, response) => json(response, resultOf((JSON.parse(seen.body) as Message).id)), {
      env: { AGENT_TOKEN: ` ${key}\n` },
    });
    over.send(call(1));
    await over.got(1);
    expect(over.seen[0]?.headers.authorization).toBe(`Bearer ${key}`);
    expect(await runCommand(['connect', 'http://127.0.0.1:1/mcp', key], { env: { AGENT_API_KEY: key } })).toMatchObject({ code: 2 });
  });

  it.each([
    ['http://127.0.0.1:1/mcp', {}, 'AGENT_API_KEY'],
    ['http://127.0.0.1:1/mcp', { AGENT_API_KEY: 'a\nb' }, 'characters that no key has'],
    ['ftp://127.0.0.1/mcp', { AGENT_API_KEY: key }, 'http or https'],
    ['wiki', { AGENT_API_KEY: key }, 'http or https'],
    ['http://user:hunter2@127.0.0.1/mcp', { AGENT_API_KEY: key }, 'user name or password'],
  ])('refuses to start over %s with %o', async (url, env, text) => {
    const ran = await runCommand(['connect', url], { env });
    expect(ran).toMatchObject({ code: 2, out: '' });
    expect(ran.err).toContain(text);
    expect(ran.err).not.toContain('hunter2');
    expect(ran.err).not.toContain(key);
  });

  it('ends on a signal although the client stays', async () => {
    const input = new PassThrough();
    const stop = new AbortController();
    const done = runCommand(['connect', 'http://127.0.0.1:1/mcp'], { env: { AGENT_API_KEY: key }, input, signal: stop.signal });
    stop.abort();
    expect((await done).code).toBe(0);
    expect(input.destroyed).toBe(true);
  });
});
