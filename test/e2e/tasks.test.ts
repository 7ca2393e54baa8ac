import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { type EraRequestMaker, inSession, stateless } from '../support/eras.ts';
import { messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { post } from '../support/post.ts';
import { rpcMethod } from '../support/recorded-request.ts';
import { createTaskUpstream, type TaskUpstream } from '../support/task-upstream.ts';

const price = '0.01';
const up = {
  tools: [
    { match: ['research', 'echo'], scope: 'read:up', price },
    { match: 'admin', scope: 'manage:up', price },
    { match: 'metered', scope: 'read:up', price: { max: '0.5', reported: 'example.com/cost', missing: 'none' } },
    { match: 'refunded', scope: 'read:up', price, charge: { error: 'none', toolError: 'none', timeout: 'none', lost: 'none' } },
  ],
  resources: [{ match: '**', scope: 'read:up' }],
};

let bench: Bench;
let other: { key: string; id: string };
let server: TaskUpstream;

beforeAll(async () => {
  bench = await startBench({ up, mint: { scopes: ['read'] }, also: { other: {} } });
  other = await bench.gate.mint({ scopes: ['manage'], budgets: [{ amount: '1', per: 'total' }] });
});
afterAll(() => bench.close());
beforeEach(() => {
  server = createTaskUpstream();
  bench.upstream.script(server.respond);
});
afterEach(() => bench.alive());

interface Answer {
  readonly status: number;
  readonly result: Record<string, unknown> | undefined;
  readonly text: string;
}

async function ask(say: EraRequestMaker, method: string, params: object = {}, { key = bench.key, to = bench.url } = {}): Promise<Answer> {
  const { body, headers } = say(method, params as Record<string, unknown>);
  const { status, text, headers: answered, json } = await post(to, { key, body, headers });
  const isStream = String(answered.get('content-type')).startsWith('text/event-stream');
  const message = isStream ? messagesOf(text).find((each) => 'result' in each) : json;
  return { status, text, result: message?.result as Answer['result'] };
}

/** Creates a task and gives the id by which its client knows it. */
async function create(say: EraRequestMaker, { name = 'research', key = bench.key } = {}): Promise<string> {
  const params = { name, arguments: {}, ...(say === inSession && { task: { ttl: 60_000 } }) };
  const { status, result } = await ask(say, 'tools/call', params, { key });
  expect(status).toBe(200);
  const task = (say === inSession ? result?.task : result) as { taskId: string; status: string };
  expect(task.status).toBe('working');
  expect(task.taskId).toMatch(/^[A-Za-z0-9_-]{40,}$/);
  return task.taskId;
}

const lastSent = () => bench.upstream.requests.at(-1);
const sentTask = () => (lastSent()?.message as { params: { taskId: string } } | undefined)?.params.taskId;

describe.each([
  ['2025-11-25', inSession, ['tasks/get', 'tasks/result', 'tasks/cancel']],
  ['2026-07-28', stateless, ['tasks/get', 'tasks/update', 'tasks/cancel']],
] as const)('tasks of %s', (_name, say, methods) => {
  it.each(methods)('%s reaches the task under its own id, and the client hears of it under the one it knows', async (method) => {
    const id = await create(say);
    const { status, text, result } = await ask(say, method, { taskId: id, inputResponses: {} });
    expect(status).toBe(200);
    expect(sentTask()).toBe(server.idOf(1));
    if (say === stateless) expect(lastSent()?.headers['mcp-name']).toBe(server.idOf(1));
    else expect(lastSent()?.headers['mcp-name']).toBeUndefined();
    expect(text).not.toContain(server.idOf(1));
    if (result?.taskId !== undefined) expect(result.taskId).toBe(id);
    const related = (result?._meta as Record<string, { taskId: string }> | undefined)?.['io.modelcontextprotocol/related-task'];
    if (method === 'tasks/result') expect(related?.taskId).toBe(id);
  });

  it.each(methods)('A29: %s with the task id of another key, path, or of the upstream itself', async (method) => {
    const id = await create(say);
    await bench.settled();
    // Who never said that it knows tasks is told so where the id is none of ours at all.
    const reasonOf = (taskId: string) => (say === inSession || taskId.length >= 38 ? 'TASK_NOT_FOUND' : 'CAPABILITY_MISSING');
    const refused = (taskId: string, { key = bench.key, keyId = bench.keyId, to = bench.url } = {}) => {
      const { body, headers } = say(method, { taskId, inputResponses: {} });
      return bench.refused({ reason: reasonOf(taskId), id: 1, keyId }, () => post(to, { key, body, headers }));
    };
    await refused(id, { key: other.key, keyId: other.id });
    await refused(id, { to: `${bench.gate.url}/mcp/other` });
    for (const forged of [server.idOf(1), '', id.slice(0, -1), `${id}A`, id.toLowerCase()]) await refused(forged);
    expect((await ask(say, method, { taskId: id, inputResponses: {} })).status).toBe(200);
  });

  it('A38: a task is charged when it is created, and what is asked of it later is on record and free', async () => {
    const before = (await bench.usage()).map(({ spent }) => spent);
    const id = await create(say);
    await bench.settled();
    const charged = (await bench.usage()).map(({ spent }, at) => spent - (before[at] ?? 0));
    expect(charged).toEqual([10_000]);
    for (const method of methods) await ask(say, method, { taskId: id, inputResponses: {} });
    await bench.settled();
    expect((await bench.usage()).map(({ spent }, at) => spent - (before[at] ?? 0))).toEqual(charged);
    const records = (await bench.gate.journal('call.outcome')).slice(-methods.length);
    expect(records.map(({ method, charged: of, status }) => [method, of, status])).toEqual(methods.map((method) => [method, '0', 200]));
  });

  it('a task is paid whole at its creation, whatever its rule says of errors or of reported costs', async () => {
    for (const name of ['metered', 'refunded']) await create(say, { name });
    await bench.settled();
    const [metered, refunded] = (await bench.gate.journal('call.outcome')).slice(-2);
    expect([metered?.charged, refunded?.charged]).toEqual(['0.5', '0.01']);
  });

  it("a task is decided by its tool's rule", async () => {
    const { body, headers } = say('tools/call', { name: 'admin', arguments: {}, task: { ttl: 1 } });
    await bench.refused({ reason: 'INSUFFICIENT_SCOPE', id: 1 }, () => post(bench.url, { key: bench.key, body, headers }));
    expect(server.ids()).toEqual([]);
  });

  it('one task has one id, also for many askers, and differs between keys', async () => {
    const run = `run-${say === inSession}`;
    const anew = () => bench.upstream.script(createTaskUpstream({ run }).respond);
    anew();
    const id = await create(say);
    const seen = await Promise.all(Array.from({ length: 4 }, () => ask(say, 'tasks/get', { taskId: id })));
    expect(new Set(seen.map(({ result }) => result?.taskId))).toEqual(new Set([id]));
    anew();
    expect(await create(say)).toBe(id);
    anew();
    expect(await create(say, { key: other.key })).not.toBe(id);
  });

  it('an answer about another task is none', async () => {
    const id = await create(say);
    bench.upstream.script((_request, response) => {
      const result = { taskId: 'task-2', status: 'working', resultType: 'complete' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    });
    const { status, text } = await ask(say, 'tasks/get', { taskId: id });
    expect(status).toBe(502);
    expect(text).not.toContain('task-2');
  });

  it('an id that fits into no header is none', async () => {
    bench.upstream.script((_request, response) => {
      const task = { taskId: 't'.repeat(2_000), status: 'working' };
      const result = say === inSession ? { task } : { resultType: 'task', ...task };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
    });
    expect((await ask(say, 'tools/call', { name: 'research', task: {} })).status).toBe(502);
  });
});

describe.each(['json', 'sse'] as const)('tasks/list, answered as %s', (answer) => {
  it('A29: shows each key its own tasks, under the ids it knows', async () => {
    server = createTaskUpstream({ answer });
    bench.upstream.script(server.respond);
    const mine = [await create(inSession), await create(inSession)];
    const theirs = await create(inSession, { key: other.key });
    const third = await create(inSession);
    expect(server.ids().length).toBe(4);
    const listOf = async (key: string, to = bench.url) => {
      const { result = {}, text } = await ask(inSession, 'tasks/list', {}, { key, to });
      expect(text).not.toMatch(/"task-/);
      expect(result.nextCursor).toBe('more');
      return (result.tasks as { taskId: string; ttl: number }[]).map(({ taskId, ttl }) => [taskId, ttl]);
    };
    expect(await listOf(bench.key)).toEqual([...mine, third].map((id) => [id, 60_000]));
    expect(await listOf(other.key)).toEqual([[theirs, 60_000]]);
    expect(await listOf(bench.key, `${bench.gate.url}/mcp/other`)).toEqual([]);
  });
});

describe('tasks/list', () => {
  it.each([{}, { tasks: {} }, { tasks: Array.from({ length: 1_001 }, (_, at) => ({ taskId: `t${at}` })) }])(
    'refuses what is no list',
    async (result) => {
      bench.upstream.script((_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: 1, result }));
      });
      expect((await ask(inSession, 'tasks/list')).status).toBe(502);
    },
  );

  it('cuts what is no task', async () => {
    await create(inSession);
    bench.upstream.script((_request, response) => {
      const own = server.idOf(1).replace('a', '\\u0061');
      const text = `{"jsonrpc":"2.0","id":1,"result":{"tasks":[null,{"taskId":7},{ "x": 1 , "taskId":"${own}","y":[1.0]},"task-1",{"taskId":"nobodys"}],"z":1e2}}`;
      response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    });
    const { text, result = {} } = await ask(inSession, 'tasks/list');
    const [task] = result.tasks as { taskId: string }[];
    expect(text).toBe(`{"jsonrpc":"2.0","id":1,"result":{"tasks":[{ "x": 1 , "taskId":"${task?.taskId}","y":[1.0]}],"z":1e2}}`);
  });
});

describe('tasks on the stream of a session', () => {
  const streams: OpenStream[] = [];
  afterEach(async () => {
    for (const stream of streams.splice(0)) {
      stream.leave();
      await stream.ended;
    }
  });

  const status = (taskId: string) => ({ jsonrpc: '2.0', method: 'notifications/tasks/status', params: { taskId, status: 'working' } });
  const related = (taskId: string) => ({ _meta: { 'io.modelcontextprotocol/related-task': { taskId } } });
  const mark = { jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'mark' } };
  const headers = (key: string) => ({ accept: 'text/event-stream', authorization: `Bearer ${key}`, 'mcp-protocol-version': '2025-11-25' });

  it('A29: tells of the own tasks only, in order, and lets the server ask about them', async () => {
    const mine = await create(inSession);
    await create(inSession, { key: other.key });
    const stream = await openStream(bench.url, { headers: headers(bench.key) });
    streams.push(stream);
    const progress = (taskId: string) => ({
      jsonrpc: '2.0',
      method: 'notifications/progress',
      params: { progressToken: 1, progress: 1, ...related(taskId) },
    });
    const elicitation = (taskId: string) => ({
      jsonrpc: '2.0',
      id: 9,
      method: 'elicitation/create',
      params: { message: '?', ...related(taskId) },
    });
    const sent = [
      status(server.idOf(2)),
      status(server.idOf(1)),
      progress(server.idOf(2)),
      mark,
      progress(server.idOf(1)),
      elicitation(server.idOf(2)),
      elicitation(server.idOf(1)),
    ];
    for (const message of [...sent, status('nobodys'), { ...mark, params: { level: 'info', data: 'end' } }]) bench.upstream.push(message);
    const seen = messagesOf(await stream.seen(/"end"/)) as { id?: string; method: string; params: object }[];
    expect(seen.map(({ method, params }) => [method, params])).toEqual([
      ['notifications/tasks/status', { taskId: mine, status: 'working' }],
      ['notifications/message', mark.params],
      ['notifications/progress', { progressToken: 1, progress: 1, ...related(mine) }],
      ['elicitation/create', { message: '?', ...related(mine) }],
      ['notifications/message', { level: 'info', data: 'end' }],
    ]);
    const asked = seen.find(({ id }) => id !== undefined);
    const answer = { jsonrpc: '2.0', id: asked?.id, result: { action: 'accept', ...related(mine) } };
    expect((await post(bench.url, { key: bench.key, body: answer, headers: { 'mcp-protocol-version': '2025-11-25' } })).status).toBe(202);
    expect(lastSent()?.message).toEqual({ jsonrpc: '2.0', id: 9, result: { action: 'accept', ...related(server.idOf(1)) } });
  });

  it('a notification and a request of the client name the task as the upstream knows it; a foreign one is not found', async () => {
    const mine = await create(inSession);
    await bench.settled();
    const { body } = inSession('notifications/progress', { progressToken: 1, progress: 1, ...related(mine) });
    const { id: _id, ...notification } = body;
    expect((await post(bench.url, { key: bench.key, body: notification })).status).toBe(202);
    expect(lastSent()?.body).toContain(`{"taskId":"${server.idOf(1)}"}`);
    const theirs = inSession('tools/call', { name: 'echo', arguments: {}, ...related(mine) });
    await bench.refused({ reason: 'TASK_NOT_FOUND', id: 1, keyId: other.id }, () => post(bench.url, { key: other.key, body: theirs.body }));
  });

  it('tasks that the client itself made of a server request are asked about under its own ids', async () => {
    bench.upstream.script((request, response, ordinary) => {
      if (rpcMethod(request) !== 'tools/call') return ordinary();
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 5, method: 'tasks/result', params: { taskId: 'clients-own' } })}\n\n`);
      return void response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: { content: [] } })}\n\n`);
    });
    const { text } = await ask(inSession, 'tools/call', { name: 'echo', arguments: {} });
    const asked = messagesOf(text).find(({ method }) => method === 'tasks/result');
    expect(asked?.params).toEqual({ taskId: 'clients-own' });
    const answer = { jsonrpc: '2.0', id: asked?.id, result: { role: 'assistant', ...related('clients-own') } };
    expect((await post(bench.url, { key: bench.key, body: answer })).status).toBe(202);
    expect(lastSent()?.message).toEqual({ ...answer, id: 5 });
  });
});
