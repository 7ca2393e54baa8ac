import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { OpenAPIHono } from '@hono/zod-openapi';
import { answerRequest, type Exchange } from './answer.ts';
import type { ApiDeps } from './deps.ts';
import { describeOperation, openApiDocument } from './document.ts';
import type { ListenerName, Operation } from './operation.ts';
import { apiOperations } from './operations.ts';

/**
 * The management API, to be mounted at /api/v1. The router only finds the operation; answer.ts is the life of a request. On the data listener
 * stands what a key may do for itself, and its document says so.
 */
export function apiApp(deps: ApiDeps, listener: ListenerName): OpenAPIHono<{ Bindings: HttpBindings }> {
  const app = new OpenAPIHono<{ Bindings: HttpBindings }>();
  const operations = apiOperations().filter(({ listeners }) => listeners.includes(listener));
  const answer = async (env: HttpBindings, exchange: Exchange): Promise<Response> => {
    await answerRequest(deps, exchange, env);
    return RESPONSE_ALREADY_SENT;
  };
  for (const operation of operations) {
    describeOperation(app, operation);
    app.on(operation.verb.toUpperCase(), operation.path.replace(named, ':$1'), (c) => {
      const params: Record<string, string> = c.req.param();
      return answer(c.env, { listener, operation, allow: [], id: params.id ?? '', params, query: queryOf(c.req.queries()) });
    });
  }
  const document = openApiDocument(app, deps.version);
  app.get('/openapi.json', (c) => c.json(document, 200, { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }));
  const tree = operations.map((operation) => ({ operation, pattern: new RegExp(`/api/v1${operation.path.replace(named, '[^/]+')}$`) }));
  app.all('*', (c) => answer(c.env, { listener, operation: undefined, allow: methodsAt(tree, c.req.path), id: '', params: {}, query: {} }));
  return app;
}

/** A part of a path that names a thing. */
const named = /\{([a-z]+)\}/g;

/** A name that stands twice could be read two ways, so it is made a list, which no schema takes. */
function queryOf(queries: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(Object.entries(queries).map(([name, values]) => [name, values.length === 1 ? values[0] : values])) as Record<
    string,
    string
  >;
}

function methodsAt(tree: readonly { operation: Operation; pattern: RegExp }[], path: string): string[] {
  const methods = tree.filter(({ pattern }) => pattern.test(path)).map(({ operation }) => operation.verb.toUpperCase());
  return [...new Set(methods)].sort();
}
