import type { ServerResponse } from 'node:http';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type AggregateWorld, startAggregateWorld } from '../support/aggregate-world.ts';
import { type EraRequestMaker, inSession, stateless } from '../support/eras.ts';
import { messagesOf, type OpenStream, openStream } from '../support/event-text.ts';
import { hang, only } from '../support/misbehaviours.ts';
import { post } from '../support/post.ts';
import { createTaskUpstream } from '../support/task-upstream.ts';

let world: AggregateWorld;
let key: string;
const url = () => `${world.gate.url}/mcp`;
const names = ['alpha', 'beta'];
const open: OpenStream[] = [];
const listening = new Map<string, ServerResponse>();

beforeAll(async () => {
  const resources = [{ match: 'test://public/**', scope: 'read:up' }];
  world = await startAggregateWorld(
    { alpha: { config: { resources } }, beta: { config: { resources } } },
    { limits: { aggregateMemberMs: 1_500 } },
  );
  ({ key } = await world.gate.mint({ scopes: ['read:up'] }));
});
afterAll(() => world.close());
afterEach(() => {
  for (const stream of open.splice(0)) stream.leave();
  for (const name of names) world.upstream(name).script(undefined);
});

async function ask(say: EraRequestMaker, method: string, params: Record<string, unknown> = {}, as = key) {
  const { body, headers } = say(method, params, 'own');
  return post(url(), { key: as, body, headers });
}

describe.each([
  ['2025-11-25', inSession],
  ['2026-07-28', stateless],
] as const)('tasks of %s over several upstreams', (_name, say) => {
  it('go to the member that made them, by their ids alone', async () => {
    for (const name of names) world.upstream(name).script(createTaskUpstream().respond);
    const ids: string[] = [];
    for (const name of names) {
      const params = { name: `${name}__research`, arguments: {}, ...(say === inSession && { task: { ttl: 60_000 } }) };
      const { json } = await ask(say, 'tools/call', params);
      const task = (say === inSession ? json.result?.task : json.result) as { taskId: string };
      ids.push(task.taskId);
    }
    for (const [at, name] of names.entries()) {
      const gets = (of: string) => world.upstream(of).calls('tasks/get').length;
      const before = names.map(gets);
      const { status, json } = await ask(say, 'tasks/get', { taskId: ids[at] });
      expect({ status, id: json.result?.taskId }).toEqual({ status: 200, id: ids[at] });
      expect(names.map(gets)).toEqual(before.map((count, n) => count + (names[n] === name ? 1 : 0)));
    }
    const other = await world.gate.mint({ scopes: ['read:up'] });
    expect(await ask(say, 'tasks/get', { taskId: ids[0] }, other.key)).toMatchObject({
      status: 404,
      json: { error: { data: { reason: 'TASK_NOT_FOUND' } } },
    });
    if (say !== inSession) return;
    const listed = await ask(say, 'tasks/list');
    expect(((listed.json.result?.tasks ?? []) as { taskId: string }[]).map(({ taskId }) => taskId)).toEqual(ids);
  });
});

/** Acknowledges what it is asked for, and keeps the stream open. */
const listens = (name: string) =>
  only('subscriptions/listen', (request, response) => {
    const { id, params } = request.message as { id: unknown; params: { notifications: object } };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const meta = { 'io.modelcontextprotocol/subscriptionId': id };
    const said = {
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: params.notifications, _meta: meta },
    };
    response.write(`data: ${JSON.stringify(said)}\n\n`);
    listening.set(name, response);
  });

async function listen(notifications: object): Promise<OpenStream> {
  const { body, headers } = stateless('subscriptions/listen', { notifications: notifications as Record<string, unknown> }, 'sub');
  const stream = await openStream(url(), {
    method: 'POST',
    headers: {
      ...headers,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      authorization: `Bearer ${key}`,
    },
    body: JSON.stringify(body),
  });
  open.push(stream);
  return stream;
}

const tell = (name: string, method: string, params: object = {}) =>
  listening
    .get(name)
    ?.write(
      `data: ${JSON.stringify({ jsonrpc: '2.0', method, params: { ...params, _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' } } })}\n\n`,
    );

describe('subscriptions/listen over several upstreams', () => {
  it('is one stream with one acknowledgement; each member hears of its own resources, and what it says comes through', async () => {
    for (const name of names) world.upstream(name).script(listens(name));
    const stream = await listen({
      toolsListChanged: true,
      resourceSubscriptions: [
        'keygate://alpha/test://public/a',
        'keygate://beta/test://public/b',
        'keygate://beta/test://secret/b',
        'test://public/plain',
        'keygate://none/test://public/x',
      ],
    });
    await stream.seen(/acknowledged/);
    const asked = (name: string): unknown => {
      const [request] = world.upstream(name).calls('subscriptions/listen');
      return (request?.message as { params: { notifications: object } } | undefined)?.params.notifications;
    };
    expect(asked('alpha')).toEqual({ toolsListChanged: true, resourceSubscriptions: ['test://public/a'] });
    expect(asked('beta')).toEqual({ toolsListChanged: true, resourceSubscriptions: ['test://public/b'] });
    tell('beta', 'notifications/resources/updated', { uri: 'test://public/b' });
    tell('beta', 'notifications/prompts/list_changed');
    tell('alpha', 'notifications/resources/updated', { uri: 'test://secret/a' });
    tell('alpha', 'notifications/tools/list_changed');
    await stream.seen(/tools\/list_changed/);
    await stream.seen(/public\/b"/);
    listening.get('alpha')?.end();
    tell('beta', 'notifications/tools/list_changed');
    await stream.seen(/list_changed[\s\S]*list_changed/);
    listening.get('beta')?.end();
    const messages = messagesOf(await stream.ended) as { method?: string; params?: Record<string, unknown>; id?: unknown }[];
    expect(messages.filter(({ method }) => method?.includes('acknowledged'))).toHaveLength(1);
    expect(messages[0]?.params).toEqual({
      notifications: {
        toolsListChanged: true,
        resourceSubscriptions: ['keygate://alpha/test://public/a', 'keygate://beta/test://public/b'],
      },
      _meta: { 'io.modelcontextprotocol/subscriptionId': 'sub' },
    });
    expect(
      messages
        .slice(1)
        .map(({ method, params }) => params?.uri ?? method)
        .filter(Boolean)
        .sort(),
    ).toEqual(['keygate://beta/test://public/b', 'notifications/tools/list_changed', 'notifications/tools/list_changed']);
    expect(messages.at(-1)).toMatchObject({ id: 'sub', result: { resultType: 'complete' } });
  });

  it('a member that does not acknowledge in time is broken off and named', async () => {
    world.upstream('alpha').script(listens('alpha'));
    world.upstream('beta').script(only('subscriptions/listen', hang));
    const stream = await listen({ toolsListChanged: true });
    const [first] = messagesOf(await stream.seen(/acknowledged/)) as { params: { _meta: Record<string, unknown> } }[];
    expect(first?.params._meta['keygate/partial']).toEqual([{ upstream: 'beta', reason: 'UPSTREAM_TIMEOUT' }]);
    tell('alpha', 'notifications/tools/list_changed');
    await stream.seen(/list_changed/);
    stream.leave();
    await vi.waitFor(() => expect(world.gate.gateway.composed.live.size).toBe(0));
  });
});
