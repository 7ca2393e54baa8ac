import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiOperations } from '../../../src/edges/api/operations.ts';
import { startWorld, tell, type World } from './world.ts';

interface Document {
  readonly openapi: string;
  readonly servers: readonly { url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly operationId: string; readonly responses: object }>>>>;
}

let world: World;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.close());

const verbs = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

const parameter = /\{[a-z]+\}/g;

/** A path may be named by more than one template: `mint` could be the id of a key. */
function methodsAt(paths: Document['paths'], path: string): string[] {
  const named = Object.entries(paths).filter(([template]) => new RegExp(`^${template.replaceAll(parameter, '[^/]+')}$`).test(path));
  return [...new Set(named.flatMap(([, methods]) => Object.keys(methods).map((method) => method.toUpperCase())))].sort();
}

describe.each(['admin', 'data'] as const)('on the %s listener', (listener) => {
  const base = () => (listener === 'admin' ? world.gateway.adminUrl : world.gateway.url);
  const read = async (): Promise<Document> => (await tell(`${base()}/api/v1/openapi.json`, 'GET', {})).json as unknown as Document;

  it('the document is valid OpenAPI 3.1, and needs no key', async () => {
    const document = await read();
    const verdict = await new Validator().validate({ ...document });
    expect(verdict.errors ?? []).toEqual([]);
    expect(verdict.valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
    expect(document.servers).toEqual([{ url: '/api/v1' }]);
  });

  it('the document names exactly the operations of this listener', async () => {
    const named = Object.values((await read()).paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId));
    const wanted = apiOperations().filter(({ listeners }) => listeners.includes(listener));
    expect(named.sort()).toEqual(wanted.map(({ name }) => name).sort());
  });

  it('every path it names answers to the methods it names, and to no other', async () => {
    const { paths } = await read();
    const { key } = world.operator;
    for (const template of Object.keys(paths)) {
      const path = template.replaceAll(parameter, 'zzzzzzzz');
      const methods = methodsAt(paths, path);
      for (const verb of verbs) {
        const stranger = await tell(`${base()}/api/v1${path}`, verb, {});
        expect([stranger.status, stranger.json.reason], `${verb} ${path}`).toEqual([401, 'TOKEN_MISSING']);
        const told = await tell(`${base()}/api/v1${path}`, verb, { key });
        const answers = ![405, 501].includes(told.status) && told.json?.reason !== 'UNKNOWN_ENDPOINT';
        expect(answers, `${verb} ${path}: ${told.text}`).toBe(methods.includes(verb));
        if (!answers) expect(told.headers.allow).toBe(methods.join(', '));
      }
    }
  });

  it.each(['/', '/review', '/keys/a/b/c', '/KEYS', '//keys', '/keys%2Fmint', '/keys;/mint', '/%2e%2e/keys'])(
    'nothing stands at %s',
    async (path) => {
      const stranger = await tell(`${base()}/api/v1${path}`, 'GET', {});
      expect([401, 404, 405, 406]).toContain(stranger.status);
      const told = await tell(`${base()}/api/v1${path}`, 'GET', { key: world.operator.key });
      expect([403, 404, 405, 406]).toContain(told.status);
    },
  );
});

it('operator routes are not on the data listener', async () => {
  for (const [verb, path] of [
    ['GET', '/keys'],
    ['GET', '/journal'],
    ['POST', '/accounts'],
    ['DELETE', `/keys/${world.operator.id}`],
  ] as const) {
    expect((await world.askData(verb, path)).status).toBe(404);
  }
});
