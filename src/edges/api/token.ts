import { z } from '@hono/zod-openapi';
import { type Operation, operation } from './operation.ts';

const issuedSchema = z
  .object({
    accessToken: z.string().nullable(),
    expiresAt: z.string().openapi({ format: 'date-time' }),
    tokenType: z.literal('Bearer'),
    scope: z.string(),
    replayed: z.literal(true).optional(),
  })
  .openapi('AccessToken');

export const tokenOperation: Operation = operation({
  ...{ verb: 'post', path: '/token', name: 'issueAccessToken', tag: 'own key', listeners: ['admin', 'data'] },
  summary: 'Turn the key that asks into an access token of at most five minutes.',
  ...{ shownOnce: ['accessToken'], bodyOptional: true, refusals: [] },
  body: z.strictObject({
    ttl: z.string().optional().openapi({ example: '90s', description: 'At most 5m, which is the default.' }),
    scopes: z.array(z.string()).optional().openapi({ description: 'Narrower than those of the key; all of them where left out.' }),
  }),
  success: { status: 200, schema: issuedSchema, description: 'The access token.' },
  async act({ issueToken }, { caller, body }) {
    return { status: 200, body: await issueToken({ caller, ttl: body.ttl, scopes: body.scopes }) };
  },
});
