import { z } from '@hono/zod-openapi';
import { callerOf } from '../../authority/caller-of.ts';
import { findKey } from '../../authority/list.ts';
import { RequestProblems } from '../../authority/problems.ts';
import { type Operation, operation } from './operation.ts';

const explanationSchema = z
  .looseObject({
    decision: z.enum(['allowed', 'refused']),
    reason: z.string().optional(),
    rule: z.string().optional(),
    ruleRevision: z.string().optional(),
    scopes: z.object({ held: z.array(z.string()), needed: z.array(z.string()) }),
    price: z.string(),
    limits: z.array(z.looseObject({ limitName: z.string() })),
    lift: z.string().optional().openapi({ description: 'What would lift the refusal, in one sentence.' }),
  })
  .openapi('Explanation');

export const explainOperation: Operation = operation({
  ...{ verb: 'post', path: '/explain', name: 'explain', tag: 'checks', listeners: ['admin'] },
  summary: 'What would become of a call, without making it: decision, rule, scopes, price, limits, and what would lift a refusal.',
  ...{ permission: 'keys.explain', answersAnew: true, refusals: [404] },
  body: z.strictObject({
    keyId: z.string().max(64).optional(),
    key: z.string().max(8_192).optional(),
    upstream: z.string('must be the name of an upstream').max(64),
    tool: z.string('must be the name of a tool').min(1, 'must not be empty').max(256),
    arguments: z.record(z.string(), z.unknown()).optional(),
  }),
  success: { status: 200, schema: explanationSchema, description: 'What would become of the call.' },
  async act({ authority, callers, dryRuns }, { body, by }) {
    const { keyId, key, upstream, tool } = body;
    if ((keyId === undefined) === (key === undefined)) throw new RequestProblems([{ path: 'keyId', message: 'give either keyId or key' }]);
    if (keyId !== undefined) await findKey(authority, keyId, by);
    const owner = key === undefined ? undefined : await callerOf(callers, key);
    const isForeign = by.orgId !== undefined && owner !== undefined && owner.key.orgId !== by.orgId;
    // A key of another organisation is told apart from none by nothing.
    const whose = keyId === undefined ? { key: isForeign ? '' : key } : { keyId };
    return { status: 200, body: await dryRuns.explain({ ...whose, upstream, tool, arguments: body.arguments ?? {} }) };
  },
});
