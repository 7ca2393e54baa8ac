import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { upstreamConfig } from '../support/gateway.ts';
import {
  endWithoutResult,
  hang,
  html,
  invalidJson,
  redirect,
  resetBeforeAnswer,
  resetMidAnswer,
  resetMidStream,
  rpcError,
  status,
  wrongId,
} from '../support/misbehaviours.ts';
import { freePort } from '../support/ports.ts';
import { type Posted, post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, type Respond, startRecordingUpstream } from '../support/recording-upstream.ts';
import { type Place, preparePlace, type Served } from './served.ts';
import { openStream } from './stream.ts';

/** What no output of the process may hold (I5). */
const credential = 'sEcReT-of-the-upstream-8731';
const unknownKey = `kg_live_AbCd1234_${'Z'.repeat(49)}`;

const closers: (() => Promise<void>)[] = [];
const answers: { what: string; text: string }[] = [];
let upstream: RecordingUpstream;
let place: Place;
let gate: Served;
let keys: { key: string; id: string }[];

beforeAll(async () => {
  upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const secret = { header: 'authorization', value: `Bearer ${credential}` };
  place = await preparePlace({
    upstreams: {
      up: upstreamConfig(upstream.url, { credential: secret }),
      gone: upstreamConfig(`http://127.0.0.1:${await freePort()}/mcp`, { credential: secret }),
    },
    limits: { upstreamTimeoutMs: 300, failedAuthPerMinuteMax: 3 },
  });
  closers.push(() => place.remove());
  keys = [
    await place.mint({ scopes: ['read:up'], metadata: { note: 'first' } }),
    await place.mint({ scopes: ['read:up'], budgets: [{ amount: '0.01', per: 'total' }] }),
    await place.mint({ scopes: ['read:elsewhere'] }),
    await place.mint({ scopes: ['read:up'] }),
  ];
  gate = await place.serve({ env: { KEYGATE_LOG: 'trace', KEYGATE_DEBUG: '1' } });
});
afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

it('no secret in anything the process writes or answers, whatever went wrong (I5)', async () => {
  const [good, poor, elsewhere, revoked] = keys.map(({ key }) => key);
  if (!good || !poor || !elsewhere || !revoked) throw new Error('four keys were minted');
  await place.cli('keys', 'revoke', keys[3]?.id ?? '', '--reason', 'for the test');

  await ask('allowed', good);
  await ask('budget', poor);
  await ask('over budget', poor);
  await ask('wrong scope', elsewhere);
  await ask('revoked', revoked);
  await ask('no such upstream', good, '/mcp/none');
  await ask('upstream not there', good, '/mcp/gone');
  await ask('key in the query', undefined, `/mcp/up?key=${good}&access_token=${good}`);
  await ask('key in the path', good, `/mcp/${good}`);
  for (const bad of [unknownKey, `${good}x`, good.slice(0, -1), good.toUpperCase(), unknownKey, unknownKey]) await ask('bad key', bad);
  await ask('key in refused arguments', elsewhere, '/mcp/up', toolCall('any', { key: elsewhere, deep: [`Bearer ${elsewhere}`] }));
  await ask('broken JSON around a key', good, '/mcp/up', `{"jsonrpc":"2.0","id":1,"params":"${good}","method":"tools/call",`);
  await ask('unknown method', good, '/mcp/up', { jsonrpc: '2.0', id: 1, method: 'steal/keys', params: { key: good } });
  await ask('foreign host', good, '/mcp/up', toolCall('any'), { origin: `http://${good}.example` });
  await malformed(good);

  // Upstreams that fail with the credential in their mouth. What they say must not come out; the one exemption is an answer to the
  // request itself (a result, or a JSON-RPC error with its id): that body belongs to the upstream and passes as it is, so it is not
  // looked through here.
  const leak = `you sent Bearer ${credential}`;
  const failures: [string, Respond][] = [
    ['401 that echoes', status(401, { error: leak }, { 'www-authenticate': `Bearer error="${leak}"` })],
    ['403 that echoes', status(403, { error: leak })],
    ['429 that echoes', status(429, { error: leak }, { 'retry-after': leak })],
    ['500 that echoes', status(500, { error: leak }, { 'x-debug': leak, 'set-cookie': leak })],
    ['500 with JSON-RPC that echoes', rpcError(-32_000, leak, 500)],
    ['redirect that echoes', redirect(`http://127.0.0.1:1/?token=${credential}`)],
    ['headers that echo', (request, response) => void echoInHeaders(request.body, response)],
    ['text that echoes', (_request, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).end(leak)],
    ['a stream that breaks after a comment', (_request, response) => void breakStream(response, leak)],
    ['html', html],
    ['invalid JSON', invalidJson],
    ['wrong id', wrongId],
    ['reset', resetBeforeAnswer],
    ['reset midway', resetMidAnswer],
    ['stream reset', resetMidStream],
    ['stream without result', endWithoutResult],
    ['hang', hang],
  ];
  for (const [what, respond] of failures) {
    upstream.script(respond);
    await ask(what, good);
  }
  upstream.script(undefined);
  const stream = await openStream(`${gate.mcpUrl}/mcp/up`, good);
  await place.cli('keys', 'revoke', keys[0]?.id ?? '');
  await stream.ended;
  answers.push({ what: 'stream', text: stream.text() });

  answers.push({ what: 'metrics', text: await (await fetch(`${gate.adminUrl}/metrics`)).text() });
  for (const path of ['/readyz', '/livez', '/nothing']) await lookAt(`${gate.adminUrl}${path}`);
  for (const path of ['/.well-known/jwks.json', '/.well-known/oauth-protected-resource/mcp/up']) await lookAt(`${gate.mcpUrl}${path}`);
  gate.kill();
  expect((await gate.exited).code).toBe(0);
  answers.push({ what: 'standard output', text: gate.stdout() }, { what: 'standard error', text: gate.stderr() });
  for (const command of [
    ['journal', 'export'],
    ['keys', 'list', '--json'],
    ['usage', '--json'],
    ['check', '--json'],
  ]) {
    const { code, stdout, stderr } = await place.cli(...command);
    expect(code, stderr).toBe(0);
    answers.push({ what: command.join(' '), text: stdout + stderr });
  }

  // The traffic was what it was meant to be: the upstream was reached with its credential, and things did go wrong.
  expect(upstream.requests.every(({ headers }) => headers.authorization === `Bearer ${credential}`)).toBe(true);
  const told = new Set(answers.flatMap(({ text }) => [...text.matchAll(/"reason":"([A-Z_]+)"/g)].map(([, reason]) => reason)));
  expect([...told]).toEqual(expect.arrayContaining([...expectedReasons]));
  expect(gate.stderr().split('\n').length).toBeGreaterThan(2);

  const found = answers.flatMap(({ what, text }) =>
    [...secrets()].filter(([, secret]) => text.includes(secret)).map(([name]) => `${name} in ${what}`),
  );
  expect(found).toEqual([]);
});

const expectedReasons = [
  'BUDGET_EXHAUSTED',
  'INSUFFICIENT_SCOPE',
  'TOKEN_REVOKED',
  'TOKEN_INVALID',
  'TOKEN_MISSING',
  'RATE_LIMITED',
  'UPSTREAM_FAILED',
  'UPSTREAM_TIMEOUT',
  'UNKNOWN_ENDPOINT',
  'PARSE_ERROR',
];

const secretFiles = new Map<string, string>();
beforeAll(async () => {
  for (const name of ['pepper', 'seal']) secretFiles.set(name, (await readFile(join(place.folder, 'var', name), 'utf8')).trim());
  const signing = JSON.parse(await readFile(join(place.folder, 'var/signing.jwk'), 'utf8')) as { keys: { d: string; crv: string }[] };
  for (const { d, crv } of signing.keys) secretFiles.set(`signing key ${crv}`, d);
});

/** Each secret under a name that may be shown. Of a key, the 43 characters between its id and its checksum. */
function* secrets(): Generator<[string, string]> {
  yield ['upstream credential', credential];
  yield* secretFiles;
  for (const [at, { key }] of keys.entries()) yield [`key ${at}`, key.split('_')[3]?.slice(0, 43) ?? key];
  yield ['unknown key', unknownKey.split('_')[3]?.slice(0, 43) ?? unknownKey];
}

async function ask(
  what: string,
  key: string | undefined,
  path = '/mcp/up',
  body: unknown = toolCall('any_tool'),
  headers: Record<string, string> = {},
): Promise<Posted> {
  const answer = await post(gate.mcpUrl + path, { body, headers, ...(key === undefined ? {} : { key }) });
  answers.push({ what, text: `${answer.status}\n${[...answer.headers].join('\n')}\n${answer.text}` });
  return answer.json;
}

async function lookAt(url: string): Promise<void> {
  const response = await fetch(url);
  answers.push({ what: url, text: `${[...response.headers].join('\n')}\n${await response.text()}` });
}

/** Requests that no HTTP client would make: a repeated header, and one with a key that comes over and over. */
async function malformed(key: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const headers = ['host', '127.0.0.1', 'authorization', `Bearer ${key}`, 'authorization', `Basic ${key}`, 'content-length', '0'];
  const request = httpRequest(`${gate.mcpUrl}/mcp/up`, { method: 'POST', headers }, async (response) => {
    let text = response.rawHeaders.join('\n');
    for await (const chunk of response) text += String(chunk);
    answers.push({ what: 'a repeated header', text });
    resolve();
  });
  request.once('error', reject).end();
  await promise;
}

function echoInHeaders(body: string, response: Parameters<Respond>[1]): void {
  const { id } = JSON.parse(body) as { id: number };
  response.writeHead(200, { 'content-type': 'application/json', 'x-echo': credential, 'mcp-session-id': credential });
  response.end(JSON.stringify({ jsonrpc: '2.0', id, result: {} }));
}

function breakStream(response: Parameters<Respond>[1], leak: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(`: ${leak}\nid: ${leak}\nevent: message\ndata: {"jsonrpc" ${leak}\n\n`, () => response.destroy());
}
