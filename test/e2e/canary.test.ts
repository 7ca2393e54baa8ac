import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'otplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { runCommand } from '../edges/cli/run-command.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { storedText } from '../support/stored-text.ts';

/** One whole run of a gateway; afterwards everything it ever said is searched for every secret that was in it. */
const credential = 'canary-upstream-credential-0123456789';
/** Where something was said, and what. */
const said: { where: string; text: string }[] = [];
/** What may stand nowhere, but in the answers named here. */
const secrets: { name: string; text: string; shownBy?: string }[] = [];

let gate: TestGateway;
let upstream: RecordingUpstream;

const hear = (where: string, text: string) => void said.push({ where, text });
const secret = (name: string, text: string, shownBy?: string) => {
  expect(text.length, name).toBeGreaterThan(15);
  secrets.push({ name, text, ...(shownBy !== undefined && { shownBy }) });
};

interface Told {
  readonly status: number;
  readonly json: Record<string, string> & { data?: unknown };
}

async function ask(verb: string, path: string, options: { key: string; body?: unknown; where?: string; base?: string }): Promise<Told> {
  const { key, body, base = gate.adminUrl, where = `${verb} ${path}` } = options;
  const response = await fetch(`${base}${path}`, {
    method: verb,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  hear(where, `${JSON.stringify([...response.headers])}\n${text}`);
  return { status: response.status, json: (text.startsWith('{') ? JSON.parse(text) : {}) as Told['json'] };
}

/** One MCP call; the answer is heard, and what the upstream got is not the caller's key. */
async function call(where: string, key: string, tool = 'tool_0', args: Record<string, unknown> = {}) {
  const answer = await post(`${gate.url}/mcp/up`, { key, body: toolCall(tool, args) });
  hear(where, `${JSON.stringify([...answer.headers])}\n${answer.text}`);
  return answer;
}

beforeAll(async () => {
  upstream = await startRecordingUpstream({ sessions: false });
  const tools = [
    { match: 'tool_1', scope: 'manage:up' },
    { match: 'tool_2', scope: 'read:up', stepUp: true },
    { match: '*', scope: 'read:up', price: '0.01', when: 'args.amount < 5 || !has(args.amount)' },
  ];
  gate = await startTestGateway(
    {
      upstreams: { up: upstreamConfig(upstream.url, { credential: { header: 'authorization', value: `Bearer \${CANARY}` }, tools }) },
    },
    { env: { CANARY: credential } },
  );
  await run();
}, 60_000);

afterAll(async () => {
  await gate?.close();
  await upstream?.close();
});

async function run(): Promise<void> {
  const { folder } = gate;
  secret('upstream credential', credential);
  for (const name of ['pepper', 'seal']) secret(name, readFileSync(join(folder, 'var', name), 'utf8').trim());
  const jwks = JSON.parse(readFileSync(join(folder, 'var', 'signing.jwk'), 'utf8')) as { keys: { d: string; kty: string }[] };
  for (const { d, kty } of jwks.keys) secret(`signing key ${kty}`, d);

  // The text of a key is shown by its mint alone; its secret part is searched for on its own.
  const minted = (name: string, key: string, shownBy?: string) => {
    secret(`${name}, secret part`, key.slice(key.lastIndexOf('_') + 1, -6), shownBy);
    return key;
  };
  const operator = minted('operator key', (await gate.mint({ kind: 'operator', scopes: ['manage'] })).key);
  const made = await ask('POST', '/api/v1/keys/mint', {
    key: operator,
    body: { name: 'canary reader', scopes: ['read:up'], budgets: [{ amount: '0.03', per: 'day' }] },
    where: 'mint',
  });
  expect(made.status).toBe(201);
  const { id = '', key: reader = '' } = made.json;
  minted('reader key', reader, 'mint');

  await callsOf(reader);
  const { rotated, enrolled } = await lifeOf({ operator, id, reader });
  minted('rotated key', rotated, 'rotate');
  secret('second factor', enrolled, 'enrol');
  await badKeys(reader);
  await faults(rotated);
  await readEverything(operator, id);
  await commandLine();
  await reloads();

  await ask('POST', '/api/v1/leaks', { key: operator, body: { key: rotated } });
  await call('a reported key', rotated);
  // Counts and log lines are written behind the answers.
  await gate.gateway.composed.tally.flush();
  await gate.journalled('call.outcome', 1);
  await ask('GET', '/metrics', { key: '' });
  hear('log', gate.logged());
  hear('journal', (await gate.journal()).map((record) => JSON.stringify(record)).join('\n'));
  await gate.authority.journal.checkpoint(Date.now());
  hear('checkpoints', JSON.stringify(await gate.authority.journal.checkpoints()));
  // The embedded store keeps its statements in a file beside it as well.
  if (process.env['KEYGATE_TEST_STORE'] !== 'redis') hear('manifest', readFileSync(join(folder, 'var', 'checkpoints.jsonl'), 'utf8'));
}

async function callsOf(reader: string): Promise<void> {
  expect((await call('an allowed call', reader)).json.result).toBeDefined();
  expect((await call('a call out of scope', reader, 'tool_1')).status).toBe(403);
  expect((await call('a call that needs a step-up', reader, 'tool_2')).status).toBe(403);
  expect((await call('a call refused by a condition', reader, 'tool_0', { amount: 9 })).json.error?.data['reason']).toBe('POLICY_DENIED');
  for (let more = 0; more < 4; more += 1) await call('calls beyond the budget', reader);
}

async function lifeOf({ operator, id, reader }: { operator: string; id: string; reader: string }) {
  const token = await ask('POST', '/api/v1/token', { key: reader, body: {}, where: 'token' });
  expect(token.json['accessToken'], JSON.stringify(token.json)).toBeTypeOf('string');
  const accessToken = token.json['accessToken'] ?? '';
  secret('access token', accessToken, 'token');
  secret('access token, signature', accessToken.slice(accessToken.lastIndexOf('.') + 1), 'token');
  await call('a call by access token', accessToken);
  await call('a forged access token', `${accessToken.slice(0, -8)}AAAAAAAA`);

  const enrolment = await ask('POST', `/api/v1/keys/${id}/step-up`, { key: operator, body: {}, where: 'enrol' });
  const enrolled = enrolment.json['secret'] ?? '';
  await ask('POST', '/api/v1/step-up', { key: reader, body: { code: '000000' } });
  const passed = await ask('POST', '/api/v1/step-up', { key: reader, body: { code: await generate({ secret: enrolled }) } });
  expect(passed.status).toBe(200);
  await call('a call after a step-up', reader, 'tool_2');

  const rotation = await ask('POST', `/api/v1/keys/${id}/rotate`, { key: operator, body: { overlap: '15m' }, where: 'rotate' });
  await ask('POST', '/api/v1/keys/verify', { key: operator, body: { key: reader, scope: 'read:up' } });
  await ask('POST', '/api/v1/explain', { key: operator, body: { key: reader, upstream: 'up', tool: 'tool_0', arguments: {} } });
  return { rotated: rotation.json['key'] ?? '', enrolled };
}

/** Keys in every place and form that they should not be in. */
async function badKeys(reader: string): Promise<void> {
  await call('a key nobody minted', `${reader.slice(0, -8)}zzzzzzzz`);
  await call('two keys', `${reader}, Bearer ${reader}`);
  const fetched = async (where: string, path: string, init: RequestInit) => {
    const response = await fetch(`${gate.url}${path}`, init);
    hear(where, `${JSON.stringify([...response.headers])}\n${await response.text()}`);
  };
  await fetched('a key in the query', `/mcp/up?token=${reader}`, { method: 'POST', body: '{}' });
  await fetched('a key in the path', `/mcp/${reader}`, { headers: { authorization: `Bearer ${reader}` } });
  await fetched('a key as another scheme', '/mcp/up', { method: 'POST', body: '{', headers: { authorization: `Basic ${btoa(reader)}` } });
  await fetched('a key in a broken body', '/mcp/up', {
    method: 'POST',
    body: `{"jsonrpc":"2.0","id":1,"method":"${reader}`,
    headers: { authorization: `Bearer ${reader}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
  });
  await ask('GET', `/api/v1/keys/${reader}`, { key: reader, where: 'a key as an id' });
  await ask('POST', '/api/v1/keys/mint', { key: reader, body: { name: 5, secret: 'x' } });
}

/** Upstreams that say what they were sent. */
async function faults(key: string): Promise<void> {
  upstream.script((request, response) => {
    const echo = JSON.stringify({ authorization: request.headers.authorization });
    response.writeHead(500, { 'content-type': 'text/plain', 'www-authenticate': `Bearer echo=${request.headers.authorization}` }).end(echo);
  });
  await call('an upstream that fails and echoes its credential', key, 'tool_2');
  upstream.script((request, response) => {
    response.writeHead(401, { 'x-echo': String(request.headers.authorization) }).end(String(request.headers.authorization));
  });
  await call('an upstream that refuses and echoes its credential', key, 'tool_2');
  upstream.script((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(`not json: ${request.headers.authorization}`);
  });
  await call('an upstream that answers junk and echoes its credential', key, 'tool_2');
  upstream.script(undefined);
}

/** Reloads of a configuration that is broken in many places, of one whose pepper is gone, and of the sound one. */
async function reloads(): Promise<void> {
  const sound = readFileSync(gate.configFile, 'utf8');
  const config = JSON.parse(sound) as Record<string, unknown>;
  for (const keys of [wrongKeys, { pepper: `\${CANARY}` }]) {
    writeFileSync(gate.configFile, JSON.stringify({ ...config, keys }));
    await gate.gateway.reload();
  }
  writeFileSync(gate.configFile, sound);
  await gate.gateway.reload();
  expect((await gate.journal('config.rejected')).length).toBeGreaterThan(1);
}

const wrongKeys = { pepper: 'short-canary', seal: `\${CANARY}`, signing: `\${CANARY}` };

async function readEverything(operator: string, id: string): Promise<void> {
  const paths = [
    '/keys',
    `/keys/${id}`,
    '/me',
    '/usage',
    '/journal?limit=500',
    '/journal/verify',
    '/upstreams',
    '/openapi.json',
    '/nowhere',
  ];
  for (const path of paths) await ask('GET', `/api/v1${path}`, { key: operator });
  await ask('PATCH', `/api/v1/keys/${id}`, { key: operator, body: { name: 'canary reader, renamed' } });
  await ask('GET', '/.well-known/jwks.json', { key: '', base: gate.url });
  await ask('GET', '/.well-known/oauth-protected-resource/mcp/up', { key: '', base: gate.url });
}

/** `check` of the sound configuration, and of one in which every secret stands in the wrong place. */
async function commandLine(): Promise<void> {
  const { configFile, folder } = gate;
  const wrong = join(folder, 'wrong.json');
  writeFileSync(
    wrong,
    JSON.stringify({
      keys: wrongKeys,
      publicUrl: `\${CANARY}`,
      upstreams: { '${CANARY}': 5, up: { url: `\${CANARY}` } },
      [credential.slice(0, 5)]: `\${CANARY}`,
    }),
  );
  const readConfig = ({ configFile: file }: { configFile: string }) => loadConfig({ file, env: { CANARY: credential }, cwd: folder });
  for (const file of [configFile, wrong]) {
    for (const argv of [
      ['check', '--config', file],
      ['check', '--json', '--config', file],
      ['signing', 'list', '--config', file],
    ]) {
      const ran = await runCommand(argv, { readConfig, cwd: folder, env: { CANARY: credential } });
      hear(`keygate ${argv.slice(0, 2).join(' ')}`, ran.out + ran.err);
    }
  }
}

describe('after a whole run', () => {
  test('much was said, of every kind', async () => {
    const kinds = new Set((await gate.journal()).map(({ kind }) => kind));
    for (const kind of [
      'key.minted',
      'key.rotated',
      'call.intent',
      'call.outcome',
      'call.refused',
      'token.issued',
      'stepup.enrolled',
      'stepup.passed',
      'stepup.failed',
    ]) {
      expect(kinds).toContain(kind);
    }
    expect(said.length).toBeGreaterThan(45);
    expect(said.filter(({ text }) => text === '').map(({ where }) => where)).toEqual([]);
    expect(secrets.length).toBeGreaterThan(9);
    expect(upstream.requests.length).toBeGreaterThan(4);
  });

  test('what was meant to show a secret did, so the search finds what is there', () => {
    for (const { name, text, shownBy } of secrets) {
      if (shownBy !== undefined)
        expect(
          said.some(({ where, text: told }) => where === shownBy && told.includes(text)),
          name,
        ).toBe(true);
    }
  });

  test('no secret stands anywhere else', () => {
    const found = secrets.flatMap(({ name, text, shownBy }) =>
      said
        .filter(({ where, text: told }) => where !== shownBy && forms(text).some((form) => told.includes(form)))
        .map(({ where }) => `${name}: ${where}`),
    );
    expect(found).toEqual([]);
  });

  test('the upstream was sent its own credential and none of the caller’s', () => {
    const sent = upstream.requests.map(({ rawHeaders, body }) => `${rawHeaders.join('\n')}\n${body}`).join('\n');
    expect(secrets.filter(({ text }) => sent.includes(text)).map(({ name }) => name)).toEqual(['upstream credential']);
  });

  test('no secret but its own stands in the store, and its files are for their owner alone', async () => {
    const { text: held, files } = await storedText(gate.gateway.config.store);
    // The journal stands in it, so it was read at all.
    expect(held).toContain('call.intent');
    expect(secrets.filter(({ text }) => held.includes(text)).map(({ name }) => name)).toEqual([]);
    for (const file of [...files, ...['pepper', 'seal', 'signing.jwk'].map((name) => join(gate.folder, 'var', name))]) {
      expect(statSync(file).mode & 0o077, file).toBe(0);
    }
  });
});

/** The secret as it is, and as encodings would show it. */
function forms(text: string): string[] {
  return [text, Buffer.from(text).toString('base64').replace(/=+$/, ''), Buffer.from(text).toString('hex')];
}
