import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Env } from 'hono';
import type { Operation } from './operation.ts';
import { problemSchema } from './schemas.ts';

const meaning: Readonly<Record<number, string>> = {
  400: 'The request is not well-formed.',
  401: 'There is no key, or none that is good.',
  403: 'The key may not do this.',
  404: 'There is no such thing, or none that the key may see.',
  409: 'It contradicts what stands already, or the first request with this Idempotency-Key has not ended.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The request cannot be carried out as written. Everything that is wrong with it is listed.',
  429: 'Too many requests.',
  500: 'The gateway failed.',
  503: 'Nothing can be done at the moment.',
};

/** The names in braces of a path. */
function paramsOf(path: string): z.ZodObject | undefined {
  const names = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name = '']) => name);
  if (names.length === 0) return undefined;
  return z.object(Object.fromEntries(names.map((name) => [name, z.string().openapi({ param: { name, in: 'path' } })])));
}

const idempotencyHeader = z.object({
  'Idempotency-Key': z
    .string()
    .optional()
    .openapi({ param: { name: 'Idempotency-Key', in: 'header' }, description: 'A repeat with the same key and body is carried out once.' }),
});

/** Which refusals an operation can answer with. */
export function refusalsOf({ verb, body, query, refusals, permission }: Operation): number[] {
  const statuses = new Set<number>([400, 401, 403, 429, 500, 503, ...refusals]);
  if (body !== undefined) for (const status of [413, 415, 422]) statuses.add(status);
  if (query !== undefined) statuses.add(422);
  if (verb === 'post') for (const status of [409, 422]) statuses.add(status);
  if (permission === undefined && body === undefined) statuses.delete(422);
  return [...statuses].sort((one, other) => one - other);
}

/** Writes one operation into the registry that the OpenAPI document is made from. */
export function describeOperation<E extends Env>(app: OpenAPIHono<E>, operation: Operation): void {
  const { verb, path, name, summary, tag, query, body, bodyOptional, success } = operation;
  const params = paramsOf(path);
  const refused = refusalsOf(operation).map((status) => [
    status,
    { description: meaning[status] ?? 'Refused.', content: { 'application/problem+json': { schema: problemSchema } } },
  ]);
  app.openAPIRegistry.registerPath(
    createRoute({
      method: verb,
      path,
      operationId: name,
      summary,
      tags: [tag],
      security: [{ key: [] }],
      request: {
        ...(params && { params }),
        ...(query instanceof z.ZodObject ? { query } : {}),
        ...(verb === 'post' ? { headers: idempotencyHeader } : {}),
        ...(body === undefined ? {} : { body: { required: bodyOptional !== true, content: { 'application/json': { schema: body } } } }),
      },
      responses: {
        [success.status]: { description: success.description, content: { 'application/json': { schema: success.schema } } },
        ...Object.fromEntries(refused),
      },
    }),
  );
}

/** The OpenAPI 3.1 document of everything that was described. */
export function openApiDocument<E extends Env>(app: OpenAPIHono<E>, version: string): object {
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'A key of kind operator; for what is about the key itself, any key or access token.',
  });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'keygate management API',
      version,
      description:
        'Keys, accounts, checks and the journal. Times are ISO 8601 in UTC, money decimal strings with at most 6 places. Problems follow RFC 9457.',
    },
    servers: [{ url: '/api/v1' }],
  });
}
