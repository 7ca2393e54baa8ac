import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { only, redirect, resetBeforeAnswer, status } from '../support/misbehaviours.ts';
import { post, toolCall } from '../support/post.ts';
import { exchangeRaw, openRaw, rawPost } from '../support/raw-http.ts';

let bench: Bench;
let authorization: string;

beforeAll(async () => {
  bench = await startBench({ config: { limits: { bodyBytesMax: '64KiB' }, listen: listenOn(['https://console.example']) } });
  authorization = `Authorization: Bearer ${bench.key}`;
});
afterAll(() => bench.close());
afterEach(() => bench.alive());

function listenOn(origins: string[]) {
  return { mcp: '127.0.0.1:0', admin: '127.0.0.1:0', origins };
}

const call = (id: string | number = 1) => JSON.stringify(toolCall('echo', {}, id));

/** One raw request whose one answer is wanted. */
async function answerTo(written: string | readonly (string | Buffer)[]) {
  const { answers } = await exchangeRaw(bench.url, written);
  const [answer] = answers;
  if (!answer) throw new Error('no answer came');
  return answer;
}

describe('A08: framing that two readers could read differently', () => {
  const smuggled = () => rawPost({ lines: [authorization], body: call('smuggled') });
  const body = call('outer');
  const cases: [string, () => string][] = [
    [
      'Content-Length and Transfer-Encoding',
      () => rawPost({ lines: [authorization, 'Content-Length: 5', 'Transfer-Encoding: chunked'], body: '0\r\n\r\n' }),
    ],
    [
      'Transfer-Encoding and Content-Length',
      () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked', 'Content-Length: 5'], body: '0\r\n\r\n' }),
    ],
    ['two different lengths', () => rawPost({ lines: [authorization, `Content-Length: ${body.length}`, 'Content-Length: 0'], body })],
    [
      'the same length twice',
      () => rawPost({ lines: [authorization, `Content-Length: ${body.length}`, `Content-Length: ${body.length}`], body }),
    ],
    ['a list of lengths', () => rawPost({ lines: [authorization, `Content-Length: ${body.length}, ${body.length}`], body })],
    ['a signed length', () => rawPost({ lines: [authorization, `Content-Length: +${body.length}`], body })],
    ['a length in hexadecimal', () => rawPost({ lines: [authorization, 'Content-Length: 0x10'], body })],
    ['a space before the colon', () => rawPost({ lines: [authorization, `Content-Length : ${body.length}`], body })],
    ['an unknown transfer coding', () => rawPost({ lines: [authorization, 'Transfer-Encoding: xchunked'], body: '0\r\n\r\n' })],
    ['chunked not last', () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked, gzip'], body: '0\r\n\r\n' })],
    [
      'two transfer codings',
      () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], body: '0\r\n\r\n' }),
    ],
    ['bare LF lines', () => rawPost({ lines: [authorization, 'X-A: 1\nX-B: 2'], body })],
    ['a folded header', () => rawPost({ lines: [authorization, 'X-A: 1\r\n folded'], body })],
    ['a header with a bare CR', () => rawPost({ lines: [authorization, 'X-A: 1\rX-B: 2'], body })],
    ['a NUL in a header', () => rawPost({ lines: [authorization, 'X-A: 1\0'], body })],
    [
      'a chunk extension that ends in LF',
      () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked'], body: `5;a\nGET / HTTP/1.1\r\n\r\n0\r\n\r\n` }),
    ],
    ['a chunk size with a sign', () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked'], body: `-5\r\nhello\r\n0\r\n\r\n` })],
    [
      'a chunk size that overflows',
      () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked'], body: `fffffffffffffffff\r\nhello\r\n0\r\n\r\n` }),
    ],
  ];

  it.each(cases)('%s: 400, the connection is closed, what follows is not answered', async (_name, first) => {
    const before = bench.upstream.requests.length;
    const { answers, closed } = await exchangeRaw(bench.url, [first() + smuggled()], { untilClosed: true });
    expect(answers.map(({ status: code }) => code)).toEqual([400]);
    expect(JSON.parse(answers[0]?.text ?? '')).toMatchObject({ id: null, error: { code: -32600, data: { reason: 'INVALID_MESSAGE' } } });
    expect(closed).toBe(true);
    expect(bench.upstream.requests.length).toBe(before);
  });

  it('a well-formed pipeline is answered in order, each with its own answer', async () => {
    const { answers } = await exchangeRaw(
      bench.url,
      ['one', 'two', 'three'].map((id) => rawPost({ lines: [authorization], body: call(id) })).join(''),
      { answers: 3 },
    );
    expect(answers.map(({ text }) => JSON.parse(text).id)).toEqual(['one', 'two', 'three']);
  });

  it('a chunked body is forwarded with one length and no transfer coding', async () => {
    const body = call('chunked');
    const halves = [body.slice(0, 20), body.slice(20)].map((half) => `${half.length.toString(16)}\r\n${half}\r\n`);
    const answer = await answerTo(rawPost({ lines: [authorization, 'Transfer-Encoding: chunked'], body: `${halves.join('')}0\r\n\r\n` }));
    expect(JSON.parse(answer.text).id).toBe('chunked');
    const seen = bench.upstream.requests.at(-1);
    expect(seen?.body).toBe(body);
    const names = (seen?.rawHeaders ?? []).filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
    expect(names.filter((name) => name === 'content-length')).toEqual(['content-length']);
    expect(names).not.toContain('transfer-encoding');
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('A09: other sorts of request', () => {
  const body = call();
  it.each([
    ['HTTP/0.9', 'GET /mcp/up\r\n\r\n', [403]],
    [
      'HTTP/1.0 with a transfer coding',
      () => rawPost({ lines: [authorization, 'Transfer-Encoding: chunked'], body: '0\r\n\r\n' }).replace('HTTP/1.1', 'HTTP/1.0'),
      [400],
    ],
    ['HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400, 403, 405]],
    ['HTTP/3.0 on the request line', () => rawPost({ lines: [authorization], body }).replace('HTTP/1.1', 'HTTP/3.0'), [400]],
    ['TRACE', () => `TRACE /mcp/up HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n\r\n`, [405]],
    ['PUT', () => rawPost({ lines: [authorization], body }).replace('POST', 'PUT'), [405]],
    ['PATCH', () => rawPost({ lines: [authorization], body }).replace('POST', 'PATCH'), [405]],
    ['HEAD', () => `HEAD /mcp/up HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\n\r\n`, [405]],
    ['QUERY', () => rawPost({ lines: [authorization], body }).replace('POST', 'QUERY'), [400, 405]],
    ['an unknown method', () => rawPost({ lines: [authorization], body }).replace('POST', 'STEAL'), [400]],
    ['a lower-case method', () => rawPost({ lines: [authorization], body }).replace('POST', 'post'), [400]],
    [
      'a GET with a body',
      () => `GET /mcp/up HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\nAccept: text/event-stream\r\nContent-Length: 5\r\n\r\nhello`,
      [400],
    ],
    [
      'a GET with a chunked body',
      () =>
        `GET /mcp/up HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\nAccept: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      [400],
    ],
    [
      'a DELETE with a body',
      () => `DELETE /mcp/up HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\nContent-Length: 5\r\n\r\nhello`,
      [400],
    ],
    ['no Host', () => rawPost({ lines: [authorization], body }).replace('Host: localhost\r\n', ''), [400]],
    ['two Hosts', () => rawPost({ lines: [authorization, 'Host: localhost'], body }), [400]],
    ['a wrong expectation', () => rawPost({ lines: [authorization, 'Expect: a-pony'], body }), [417]],
  ] as [string, string | (() => string), number[]][])('%s is refused', async (_name, written, codes) => {
    const before = bench.upstream.requests.length;
    const { answers } = await exchangeRaw(bench.url, typeof written === 'string' ? written : written());
    expect(codes).toContain(answers[0]?.status);
    expect(bench.upstream.requests.length).toBe(before);
  });

  it('CONNECT opens nothing', async () => {
    const before = bench.upstream.requests.length;
    const { answers, closed } = await exchangeRaw(
      bench.url,
      `CONNECT 127.0.0.1:${bench.upstream.port} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    );
    expect(closed || (answers[0]?.status ?? 0) >= 400).toBe(true);
    expect(bench.upstream.requests.length).toBe(before);
  });

  it('an offer to upgrade to h2c is not taken up', async () => {
    const answer = await answerTo(
      rawPost({
        lines: [authorization, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA'],
        body,
      }),
    );
    expect(answer.status).toBe(200);
    expect(bench.upstream.requests.at(-1)?.headers.upgrade).toBeUndefined();
  });

  it('405 names what is allowed, in JSON-RPC', async () => {
    await bench.refused({ reason: 'METHOD_NOT_ALLOWED', id: null, counted: true }, async () => {
      const answer = await answerTo(rawPost({ lines: [authorization], body: call() }).replace('POST', 'PUT'));
      expect(answer.headers.get('allow')).toBe('POST, GET, DELETE');
      return answer;
    });
  });
});

describe('A10: nothing of the client’s credentials reaches an upstream', () => {
  const secrets = ['cookie-of-the-client', 'api-key-of-the-client', 'proxy-credential', 'other-credential'];
  const headers = {
    cookie: `session=${secrets[0]}`,
    'x-api-key': secrets[1] ?? '',
    'proxy-authorization': `Basic ${secrets[2]}`,
    'x-authorization': `Bearer ${secrets[3]}`,
  };

  it.each([
    ['an ordinary call', undefined],
    ['a redirect', redirect('http://127.0.0.1:1/steal')],
    ['a reset', resetBeforeAnswer],
    ['a 401', status(401, { error: 'unauthorized' }, { 'www-authenticate': 'Bearer realm="upstream"' })],
    ['a 500', status(500)],
  ])('%s', async (_name, respond) => {
    bench.upstream.script(respond && only('tools/call', respond));
    const before = bench.upstream.requests.length;
    const answer = await post(bench.url, { key: bench.key, body: toolCall('echo'), headers });
    const seen = bench.upstream.requests.slice(before);
    expect(seen.length).toBe(1);
    const text = `${seen[0]?.rawHeaders.join('\n')}\n${seen[0]?.body}`;
    for (const secret of [...secrets, bench.key]) expect(text).not.toContain(secret);
    expect(seen[0]?.headers.authorization).toBe('Bearer upstream-secret');
    const back = `${[...answer.headers].join('\n')}\n${answer.text}`;
    expect(back).not.toContain('upstream-secret');
    expect(back).not.toContain('realm="upstream"');
    expect(bench.gate.logged()).not.toContain(bench.key);
    expect(bench.gate.logged()).not.toContain('upstream-secret');
  });

  it('cookies and other headers of the upstream stay with the gateway', async () => {
    bench.upstream.script(
      only('tools/call', (_request, response, ordinary) => {
        response.setHeader('set-cookie', 'upstream=1');
        response.setHeader('x-upstream-secret', 'upstream-secret');
        response.setHeader('access-control-allow-origin', '*');
        return ordinary();
      }),
    );
    const answer = await post(bench.url, { key: bench.key, body: toolCall('echo') });
    expect(answer.status).toBe(200);
    for (const name of ['set-cookie', 'x-upstream-secret', 'access-control-allow-origin']) expect(answer.headers.get(name)).toBeNull();
  });
});

it('A11: headers that claim an identity or an address are dropped', async () => {
  const claims = [
    'x-forwarded-for',
    'x_forwarded_for',
    'x_gw_user',
    'x-real-ip',
    'forwarded',
    'x-forwarded-host',
    'x-keygate-assertion',
    'x-request-id',
    'origin',
  ];
  const before = await bench.gate.authority.journal.head();
  const answer = await answerTo(
    rawPost({ lines: [authorization, ...claims.filter((name) => name !== 'origin').map((name) => `${name}: 203.0.113.9`)], body: call() }),
  );
  expect(answer.status).toBe(200);
  const seen = bench.upstream.requests.at(-1);
  expect(seen?.rawHeaders.join('\n')).not.toContain('203.0.113.9');
  expect(seen?.headers['x-request-id']).toBe(answer.headers.get('x-request-id'));
  for (const record of (await bench.gate.journal()).filter(({ seq }) => seq > before)) expect(record.address).toBe('127.0.0.1');
});

describe('A12: paths that could be read two ways', () => {
  const targets = [
    '//mcp/up',
    '/mcp//up',
    '/mcp/up/',
    '/mcp/up;x',
    '/mcp/up%2f',
    '/mcp%2fup',
    '/%6dcp/up',
    '/mcp/%75p',
    '/mcp/./up',
    '/mcp/x/../up',
    '/x/../mcp/up',
    '/mcp/%2e%2e/mcp/up',
    '/mcp\\up',
    '/mcp/up%00',
    '/MCP/up',
    '/mcp/UP',
    '/mcp/__proto__',
    '/mcp/constructor',
    '/mcp/',
    '/',
    '/admin',
    '//admin',
    '/admin%2fkeys',
    '/metrics',
    '/readyz',
    '/api/v1/keys',
    '/.well-known/../mcp/up',
    '/.well-known/%2e%2e/mcp/up',
    'http://localhost/mcp/up',
    'http://evil.example/mcp/up',
    'https://localhost/mcp/up',
    '*',
    '/mcp/up#x',
  ];

  it.each(targets)('%s is nothing, with a key and without one', async (target) => {
    const before = bench.upstream.requests.length;
    for (const lines of [[], [authorization]]) {
      const { answers } = await exchangeRaw(bench.url, rawPost({ target, lines, body: call() }));
      const [answer] = answers;
      expect([400, lines.length === 0 ? 401 : 404]).toContain(answer?.status);
    }
    expect(bench.upstream.requests.length).toBe(before);
  });

  it('an unknown endpoint is told only to those with a key', async () => {
    await bench.refused({ reason: 'TOKEN_MISSING', id: 7, counted: true }, () =>
      post(`${bench.gate.url}/mcp/none`, { body: toolCall('echo', {}, 7) }),
    );
    await bench.refused({ reason: 'UNKNOWN_ENDPOINT', id: 7 }, () =>
      post(`${bench.gate.url}/mcp/none`, { key: bench.key, body: toolCall('echo', {}, 7) }),
    );
  });

  it('admin and metrics are not on this listener', async () => {
    for (const path of ['/metrics', '/livez', '/readyz', '/admin']) {
      expect((await fetch(`${bench.gate.url}${path}`)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await fetch(`${bench.gate.adminUrl}/metrics`)).status).toBe(200);
  });
});

it('A13: method overrides are ignored', async () => {
  const before = bench.upstream.requests.length;
  const lines = [authorization, 'X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X-Method-Override: DELETE'];
  const answer = await answerTo(rawPost({ target: '/mcp/up?_method=DELETE', lines, body: call('posted') }));
  expect(JSON.parse(answer.text).id).toBe('posted');
  expect(bench.upstream.requests.slice(before).map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /mcp']);
});

describe('A14: compressed bodies', () => {
  it.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, gzip', 'identity, gzip', 'x-unknown'])('Content-Encoding: %s is 415', async (coding) => {
    const packed = gzipSync(Buffer.alloc(50_000_000));
    await bench.refused({ reason: 'UNSUPPORTED_MEDIA_TYPE', id: null, counted: true }, () =>
      answerTo([
        rawPost({ lines: [authorization, `Content-Encoding: ${coding}`, `Content-Length: ${packed.length}`] }),
        packed.subarray(0, 20_000),
      ]),
    );
  });

  it('identity is no coding', async () => {
    expect((await post(bench.url, { key: bench.key, body: toolCall('echo'), headers: { 'content-encoding': 'identity' } })).status).toBe(
      200,
    );
  });
});

describe('A16: what a browser could be made to send', () => {
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=utf-16',
    'application/json-patch+json',
    'text/plain; application/json',
    'application/json, text/plain',
  ])('Content-Type: %s is 415', async (type) => {
    await bench.refused({ reason: 'UNSUPPORTED_MEDIA_TYPE', id: null, counted: true }, () =>
      post(bench.url, { key: bench.key, body: call(), headers: { 'content-type': type } }),
    );
  });

  it('no Content-Type is 415', async () => {
    const bare = rawPost({ lines: [authorization], body: call() }).replace('Content-Type: application/json\r\n', '');
    await bench.refused({ reason: 'UNSUPPORTED_MEDIA_TYPE', id: null, counted: true }, () => answerTo(bare));
  });

  it.each(['https://evil.example', 'null', 'http://localhost:3000', 'https://console.example.evil.example', 'https://CONSOLE.example', ''])(
    'Origin: %s is 403',
    async (origin) => {
      await bench.refused({ reason: 'ORIGIN_NOT_ALLOWED', id: null, counted: true }, () =>
        answerTo(rawPost({ lines: [authorization, `Origin: ${origin}`], body: call() })),
      );
    },
  );

  it('an origin of listen.origins is admitted and may read the answer', async () => {
    const answer = await post(bench.url, { key: bench.key, body: toolCall('echo'), headers: { origin: 'https://console.example' } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe('https://console.example');
    expect(bench.upstream.requests.at(-1)?.headers.origin).toBeUndefined();
    const preflight = await fetch(bench.url, { method: 'OPTIONS', headers: { origin: 'https://evil.example' } });
    expect(preflight.status).toBe(403);
    expect(preflight.headers.get('access-control-allow-origin')).toBeNull();
  });

  it.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'evil.example:8080', '127.0.0.2', '0.0.0.0', '[::]'])(
    'a rebound Host %s is 403',
    async (host) => {
      await bench.refused({ reason: 'ORIGIN_NOT_ALLOWED', id: null, counted: true }, () =>
        answerTo(rawPost({ lines: [authorization], body: call(), host })),
      );
    },
  );

  it.each(['localhost:8080', '127.0.0.1', '[::1]:80', 'LOCALHOST'])('the loopback Host %s is admitted', async (host) => {
    expect((await answerTo(rawPost({ lines: [authorization], body: call(), host }))).status).toBe(200);
  });
});

describe('A40: what is no key', () => {
  it.each([
    '*',
    '{tag}',
    'a:b',
    "' OR 1=1 --",
    'return redis.call("KEYS","*")',
    'kg_live_',
    'kg_live_AbCd1234_',
    'undefined',
    '__proto__',
    '%00',
    'x'.repeat(8_000),
  ])('%s is 401, with the own id', async (text) => {
    const spaced = /\s/.test(text);
    const denied = await bench.refused({ reason: 'TOKEN_INVALID', id: 'own', counted: true }, () =>
      post(bench.url, { key: text, body: toolCall('echo', {}, 'own') }),
    );
    expect(JSON.stringify(denied)).not.toContain(spaced ? 'redis' : text);
  });

  it('a key with one character changed, cut or added is 401', async () => {
    const { key } = bench;
    const other = key.endsWith('0') ? '1' : '0';
    for (const text of [key.slice(0, -1) + other, key.slice(0, -1), `${key}0`, key.toUpperCase(), key.replace('live', 'test')]) {
      await bench.refused({ reason: 'TOKEN_INVALID', id: 1, counted: true }, () => post(bench.url, { key: text, body: toolCall('echo') }));
    }
  });

  it.each(['Basic', 'Digest', 'bearerx', ''])('the scheme "%s" is 401', async (scheme) => {
    await bench.refused({ reason: 'TOKEN_INVALID', id: 2, counted: true }, () =>
      post(bench.url, { body: toolCall('echo', {}, 2), headers: { authorization: `${scheme} ${bench.key}`.trim() } }),
    );
  });

  it('a header above the limit is 431', async () => {
    const { answers, closed } = await exchangeRaw(
      bench.url,
      rawPost({ lines: [`Authorization: Bearer ${'x'.repeat(1_000_000)}`], body: call() }),
      {
        untilClosed: true,
      },
    );
    expect(closed).toBe(true);
    expect(answers.map(({ status: code }) => code)).toEqual([431]);
  });

  it('a key in the query string or in a cookie is no key', async () => {
    for (const name of ['key', 'token', 'access_token', 'api_key', 'authorization']) {
      await bench.refused({ reason: 'TOKEN_MISSING', id: 3, counted: true }, () =>
        post(`${bench.url}?${name}=${bench.key}`, {
          body: toolCall('echo', {}, 3),
          headers: { cookie: `${name}=${bench.key}`, 'x-api-key': bench.key },
        }),
      );
    }
    expect((await post(`${bench.url}?access_token=nonsense`, { key: bench.key, body: toolCall('echo') })).status).toBe(200);
  });
});

describe('refusals by form', () => {
  it.each(['Authorization', 'Content-Type', 'Origin', 'Mcp-Session-Id', 'MCP-Protocol-Version', 'Mcp-Method', 'Mcp-Name', 'Last-Event-ID'])(
    '%s twice is 400',
    async (name) => {
      const values: Record<string, string> = {
        Authorization: `Bearer ${bench.key}`,
        'Content-Type': 'application/json',
        Accept: '*/*',
        Origin: 'https://console.example',
      };
      const line = `${name}: ${values[name] ?? 'x'}`;
      const lines = [...(name === 'Authorization' ? [] : [authorization]), line, line.replace(name, name.toUpperCase())];
      await bench.refused({ reason: 'INVALID_MESSAGE', id: null, counted: true }, () => answerTo(rawPost({ lines, body: call() })));
    },
  );

  it.each(['application/json', 'text/event-stream', 'text/html', 'application/json, text/event-stream;q=0', ''])(
    'Accept: %s is 406',
    async (accept) => {
      await bench.refused({ reason: 'NOT_ACCEPTABLE', id: null, counted: true }, () =>
        answerTo(rawPost({ lines: [authorization, `Accept: ${accept}`], body: call() })),
      );
    },
  );

  it.each(['*/*', 'application/*, text/*', 'text/event-stream, application/json;q=0.5', 'APPLICATION/JSON, TEXT/EVENT-STREAM'])(
    'Accept: %s is enough',
    async (accept) => {
      expect((await answerTo(rawPost({ lines: [authorization, `Accept: ${accept}`], body: call() }))).status).toBe(200);
    },
  );

  it('a GET that takes no stream is 406', async () => {
    await bench.refused({ reason: 'NOT_ACCEPTABLE', id: null, counted: true }, async () => {
      const answer = await fetch(bench.url, { headers: { authorization: `Bearer ${bench.key}`, accept: 'application/json' } });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    });
  });

  it('A01: 413: a declared length above the limit is refused before a byte of it was read', async () => {
    await bench.refused({ reason: 'MESSAGE_TOO_LARGE', id: null, counted: true }, () =>
      answerTo(rawPost({ lines: [authorization, 'Content-Length: 99999999999'] })),
    );
  });

  it('A01: 413: a client that sends a large body all the same can read the refusal', async () => {
    const body = JSON.stringify(toolCall('echo', { text: 'x'.repeat(20_000_000) }));
    for (let round = 0; round < 5; round += 1) {
      await bench.refused({ reason: 'MESSAGE_TOO_LARGE', id: null, counted: true }, () => post(bench.url, { key: bench.key, body }));
    }
  });

  it('A01: 413: so can one that sends it in chunks, without a length', async () => {
    const chunk = Buffer.alloc(64 * 1024, 0x20);
    for (let round = 0; round < 5; round += 1) {
      await bench.refused({ reason: 'MESSAGE_TOO_LARGE', id: null, counted: true }, async () => {
        let left = 200;
        const stream = new ReadableStream({
          pull(controller) {
            left -= 1;
            if (left < 0) controller.close();
            else controller.enqueue(chunk);
          },
        });
        const answer = await fetch(bench.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', accept: '*/*', authorization: `Bearer ${bench.key}` },
          body: stream,
          duplex: 'half',
        } as RequestInit);
        return { status: answer.status, headers: answer.headers, text: await answer.text() };
      });
    }
  });

  it('A01: a body at the limit with very many members is refused as a message, with its id', async () => {
    const body = `{"jsonrpc":"2.0","id":"many","method":"tools/call","params":{"name":"echo","arguments":{"a":[${'[],'.repeat(20_000)}1]}}}`;
    await bench.refused({ reason: 'INVALID_MESSAGE', id: 'many' }, () =>
      post(bench.url, { key: bench.key, body: body.replace('[[],', `[${'[['.repeat(100)}${']]'.repeat(100)},[],`) }),
    );
  });

  it.each([
    ['no JSON', '{"jsonrpc":"2.0","id":4,"method":"tools/call"', 'PARSE_ERROR', 4],
    ['empty', '', 'PARSE_ERROR', null],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0","id":4,"method":"ping"}', 'PARSE_ERROR', null],
    ['two messages', '{"jsonrpc":"2.0","id":4,"method":"ping"}{"jsonrpc":"2.0","id":5,"method":"ping"}', 'PARSE_ERROR', 4],
    ['a name twice', '{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","name":"rm"}}', 'INVALID_MESSAGE', 4],
    ['two ids', '{"jsonrpc":"2.0","id":4,"id":5,"method":"ping"}', 'INVALID_MESSAGE', null],
    [
      'another spelling of a name',
      '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"echo","Name":"rm"}}',
      'INVALID_MESSAGE',
      'a',
    ],
    ['a version of its own', '{"jsonrpc":"1.0","id":"a","method":"ping"}', 'INVALID_MESSAGE', 'a'],
    ['a fractional id', '{"jsonrpc":"2.0","id":1.5,"method":"ping"}', 'INVALID_MESSAGE', null],
    ['a null id', '{"jsonrpc":"2.0","id":null,"method":"ping"}', 'INVALID_MESSAGE', null],
    ['a string', '"tools/call"', 'INVALID_MESSAGE', null],
  ] as const)('a body that is %s', async (_name, body, reason, id) => {
    await bench.refused({ reason, id }, () => post(bench.url, { key: bench.key, body }));
    await bench.refused({ reason: 'TOKEN_MISSING', id, counted: true }, () => post(bench.url, { body }));
  });
});

describe('connections', () => {
  it('a client that goes away in the middle of its body changes nothing', async () => {
    const before = bench.upstream.requests.length;
    const socket = openRaw(bench.url);
    socket.on('error', () => undefined);
    socket.write(rawPost({ lines: [authorization, 'Content-Length: 500'], body: call().slice(0, 30) }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    await bench.alive();
    expect(bench.upstream.requests.length).toBe(before + 1);
  });

  it('a pipelined request is begun only when its turn has come, and never where the client has left', async () => {
    const before = bench.upstream.requests.length;
    bench.upstream.script(only('tools/call', () => undefined));
    const socket = openRaw(bench.url);
    socket.on('error', () => undefined);
    socket.write(rawPost({ lines: [authorization], body: call('first') }));
    await bench.upstream.received(before + 1);
    socket.write(`GET /mcp/up HTTP/1.1\r\nHost: localhost\r\n${authorization}\r\nAccept: text/event-stream\r\n\r\n`);
    // Sent on a connection of its own, and answered: the gateway has had time to see the pipelined one.
    await post(bench.url, { key: bench.key, body: { jsonrpc: '2.0', id: 1, method: 'ping' } });
    socket.destroy();
    const outcomes = await bench.gate.journalled('call.outcome', (await bench.gate.journal('call.intent')).length);
    expect(outcomes.at(-1)).toMatchObject({ method: 'tools/call', status: 'client-gone' });
    expect(bench.upstream.requests.slice(before).map(({ method }) => method)).toEqual(['POST', 'POST']);
    expect(bench.gate.gateway.composed.live.size).toBe(0);
  });
});
