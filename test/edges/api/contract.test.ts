import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { refusalsOf } from '../../../src/edges/api/document.ts';
import type { Operation } from '../../../src/edges/api/operation.ts';
import { apiOperations } from '../../../src/edges/api/operations.ts';
import { problemSchema } from '../../../src/edges/api/schemas.ts';
import { enrolled } from './enrolled.ts';
import { type Example, examples } from './examples.ts';
import { type AskOptions, startWorld, type Told, type World } from './world.ts';

const operations = apiOperations();
let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

it('has an example for every operation, and none for what is not there', () => {
  expect(Object.keys(examples).sort()).toEqual(operations.map(({ name }) => name).sort());
});

/** Faults and a store that is gone cannot be asked for. */
const unasked = [500, 503];

describe.each(operations.map((operation) => [operation.name, operation] as const))('%s', (name, operation) => {
  const example: Example = examples[name] ?? {};
  const hasBody = operation.body !== undefined;

  it(`${operation.success.status}`, async () => {
    const options = name === 'stepUp' ? await stepUpOptions() : {};
    const told = await ask(options);
    expect(told.json).toEqual(expect.objectContaining({}));
    expect(told.status, told.text).toBe(operation.success.status);
    expect(told.headers['content-type']).toBe('application/json');
    expect(told.headers['cache-control']).toBe('no-store');
    expect(told.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    const read = strict(operation.success.schema).safeParse(told.json);
    expect(read.success ? [] : read.error.issues).toEqual([]);
  });

  const asked: Partial<Record<number, () => Promise<Told>>> = {
    400: () => (hasBody ? ask({ text: '{"name":' }) : ask({ text: '{}' })),
    401: () => ask({ key: null }),
    403: async () => {
      const key = operation.permission === undefined || operation.permission === 'leaks.report' ? { addresses: ['10.0.0.0/8'] } : {};
      return ask({ key: (await world.key(key)).key });
    },
    404: () => {
      if (example.missing !== undefined) return ask({ body: example.missing.body }, example.missing.query);
      return ask({ id: operation.path.includes('{tool}') ? 'up/zzzzzzzz' : 'zzzzzzzz' });
    },
    409: async () => (example.conflict === undefined ? running() : ask(await example.conflict(world))),
    413: () => ask({ text: JSON.stringify({ name: 'x'.repeat(70_000) }) }),
    415: () => ask({ headers: { 'content-type': 'text/plain' } }),
    422: () => {
      if (hasBody) return ask({ body: { surprising: 1 } });
      return operation.query === undefined ? ask({ headers: { 'idempotency-key': 'a b' } }) : ask({}, 'surprising=1');
    },
    429: async () => {
      const { key } = await world.key({ kind: 'operator', scopes: ['manage'], rate: { calls: 1, perSeconds: 3_600 } });
      await ask({ key });
      return ask({ key });
    },
  };

  it.each(refusalsOf(operation).filter((status) => !unasked.includes(status)))('%i', async (status) => {
    const told = await asked[status]?.();
    if (told === undefined) throw new Error(`nobody knows how to ask for ${status}`);
    expect(told.status, told.text).toBe(status);
    expectProblem(told, status);
  });

  if (operation.verb === 'post' && example.conflict !== undefined) {
    it('409 while the first request with the same Idempotency-Key runs', async () => {
      const told = await running();
      expect(told.json).toMatchObject({ status: 409, reason: 'IDEMPOTENCY_KEY_RUNNING' });
    });
  }

  /** Asks for what the example says, with changes. */
  async function ask(change: AskOptions & { id?: string } = {}, query = example.query): Promise<Told> {
    const id = change.id ?? (await example.id?.(world)) ?? '';
    const body =
      change.text !== undefined || !hasBody
        ? undefined
        : 'body' in change && change.body
          ? change.body
          : ((await example.body?.(world, id)) ?? {});
    const path = `${pathOf(operation, id)}${query === undefined ? '' : `?${query}`}`;
    return await world.ask(operation.verb.toUpperCase(), path, { ...change, ...(body === undefined ? {} : { body }) });
  }

  /** Right codes come from a key that has a second factor. */
  async function stepUpOptions(): Promise<AskOptions> {
    const { key, code } = await enrolled(world, {});
    return { key, body: { code: code() } };
  }

  /** A request whose first attempt was begun and has not ended. */
  async function running(): Promise<Told> {
    const id = (await example.id?.(world)) ?? '';
    const body = hasBody ? ((await example.body?.(world, id)) ?? {}) : undefined;
    const path = pathOf(operation, id);
    const header = `running-${name}`;
    const replay = createHash('sha256')
      .update(JSON.stringify([world.operator.id, operation.verb, `/api/v1${path}`, header]))
      .digest('hex');
    const bodyHash = createHash('sha256')
      .update(JSON.stringify(body) ?? '')
      .digest('hex');
    await world.gateway.gateway.composed.store.replays.begin({ id: replay, bodyHash, now: world.gateway.authority.clock.now() });
    return await world.ask('POST', path, { body, headers: { 'idempotency-key': header } });
  }
});

/** What is named by two names is given as both, with a slash between. */
function pathOf({ path }: Operation, id: string): string {
  return path.replace('{id}', id).replace('{upstream}/{tool}', id);
}

/** RFC 9457, and what every refusal of this API says besides. */
function expectProblem(told: Told, status: number): void {
  expect(told.headers['content-type']).toBe('application/problem+json');
  expect(told.headers['cache-control']).toBe('no-store');
  const problem = problemSchema.parse(told.json);
  expect(problem).toMatchObject({ type: 'about:blank', status, requestId: told.headers['x-request-id'] });
  expect(problem.detail).not.toBe('');
  expect(told.headers['www-authenticate']?.startsWith('Bearer realm="keygate"')).toBe(status === 401 || status === 403 ? true : undefined);
  if (status === 422) expect(problem.problems?.length ?? (problem.reason === 'IDEMPOTENCY_KEY_REUSED' ? 1 : 0)).toBeGreaterThan(0);
  if (status === 429) expect(Number(told.headers['retry-after'])).toBeGreaterThan(0);
}

/** The schema with members it does not name refused: what the document leaves out is a fault too. */
function strict(schema: Operation['success']['schema']): z.ZodType {
  return schema instanceof z.ZodObject ? (schema._zod.def.catchall === undefined ? schema.strict() : schema) : schema;
}
