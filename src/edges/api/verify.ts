import { z } from '@hono/zod-openapi';
import { type Operation, operation } from './operation.ts';

const verdictSchema = z
  .object({
    valid: z.boolean(),
    reason: z.string().nullable().openapi({ description: 'Why not, from the table of refusals; null where it is good.' }),
    keyId: z.string().optional(),
    name: z.string().optional(),
    kind: z.string().optional(),
    environment: z.string().optional(),
    orgId: z.string().nullish(),
    agentId: z.string().nullish(),
    botId: z.string().nullish(),
    onBehalfOf: z.string().nullish(),
    parentIds: z.array(z.string()).optional(),
    scopes: z.array(z.string()).optional(),
    upstreams: z.array(z.string()).optional(),
    tools: z.array(z.string()).optional(),
    expiresAt: z.string().nullish(),
    metadata: z.record(z.string(), z.string()).optional(),
    needed: z.array(z.string()).optional().openapi({ description: 'Scopes that are needed and not held.' }),
  })
  .openapi('Verdict');

export const verifyOperation: Operation = operation({
  ...{ verb: 'post', path: '/keys/verify', name: 'verifyKey', tag: 'checks', listeners: ['admin', 'data'] },
  summary: 'Whether a key is good, for servers that check keys themselves. Any live key may ask, about keys of its own organisation.',
  ...{ answersAnew: true, refusals: [] },
  body: z.strictObject({
    key: z.string('must be the text of a key or an access token').max(8_192),
    scope: z.string().max(128).optional(),
    upstream: z.string().max(64).optional(),
    tool: z.string().max(256).optional(),
  }),
  success: { status: 200, schema: verdictSchema, description: 'Also for a key that is not good.' },
  async act({ dryRuns }, { body, by }) {
    const verified = await dryRuns.verifyKey(body);
    // Of a key of another organisation, whoever is confined to one learns what they would of a key that nobody minted.
    const isOwn = by.orgId === undefined || verified.keyId === undefined || verified.orgId === by.orgId;
    return { status: 200, body: isOwn ? verified : { valid: false, reason: 'TOKEN_INVALID' } };
  },
});
