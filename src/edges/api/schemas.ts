import { z } from '@hono/zod-openapi';
import { pageRowsMax } from '../../authority/list.ts';

/** What answers look like, for the OpenAPI document; the contract tests hold every answer against these. */

const time = z.string().openapi({ format: 'date-time', example: '2026-11-20T12:00:00.000Z' });
const money = z.string().openapi({ description: 'Decimal string with at most 6 places.', example: '5.00' });

const restriction = {
  per: z.string(),
  zone: z.string(),
  tool: z.string().nullable().openapi({ description: 'A tool, or a prefix where it ends in `*`; null for every one.' }),
  soft: z.boolean().openapi({ description: 'It warns and refuses nothing.' }),
};

const limitLists = {
  budgets: z.array(z.object({ amount: money, ...restriction })),
  caps: z.array(z.object({ calls: z.int(), ...restriction })),
};

const keyMembers = {
  id: z.string().openapi({ example: 'AbCd1234' }),
  name: z.string(),
  kind: z.enum(['agent', 'bot', 'operator']),
  environment: z.enum(['live', 'test']),
  status: z.enum(['active', 'expired', 'revoked']),
  prefix: z.string(),
  last4: z.string(),
  orgId: z.string().nullable(),
  agentId: z.string().nullable(),
  botId: z.string().nullable(),
  accountId: z.string().nullable(),
  onBehalfOf: z.string().nullable(),
  parentIds: z.array(z.string()),
  scopes: z.array(z.string()),
  ...limitLists,
  rate: z.object({ calls: z.int(), perSeconds: z.int() }).nullable(),
  upstreams: z.array(z.string()),
  tools: z.array(z.string()),
  addresses: z.array(z.string()),
  children: z.boolean(),
  maxUses: z.int().nullable(),
  owner: z.string().nullable(),
  purpose: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  createdAt: time,
  expiresAt: time.nullable(),
  revokedAt: time.nullable(),
  revokedReason: z.string().nullable(),
  previousUntil: time.nullable().openapi({ description: 'Until when the secret before the last rotation works.' }),
  revision: z.int(),
};

const limitSchema = z
  .object({
    name: z.string(),
    unit: z.enum(['money', 'calls', 'argument']).or(z.string()),
    limit: z.union([z.string(), z.number()]),
    spent: z.union([z.string(), z.number()]),
    held: z.union([z.string(), z.number()]),
    remaining: z.union([z.string(), z.number()]),
    percent: z.int().openapi({ description: 'Whole percent of the limit that is spent.' }),
    soft: z.boolean(),
    resetAt: time.nullable(),
  })
  .openapi('Limit');

export const keySchema = z.object(keyMembers).openapi('Key');

export const shownKeySchema = z.object({ ...keyMembers, childIds: z.array(z.string()) }).openapi('KeyShown');

/** The text of a key: there once, null in a replay. */
const keyText = z.string().nullable().openapi({ description: 'The key itself, shown here only; null where the answer is a replay.' });
const replayed = z.literal(true).optional();

export const mintedSchema = z
  .object({ ...keyMembers, key: keyText, warnings: z.array(z.string()), guards: z.array(z.string()), replayed })
  .openapi('KeyMinted');

export const changedKeySchema = z
  .object({ ...keyMembers, warnings: z.array(z.string()), guards: z.array(z.string()) })
  .openapi('KeyChanged');

export const rotatedSchema = z.object({ ...keyMembers, key: keyText, replayed }).openapi('KeyRotated');

export const reissuedSchema = z
  .object({
    ...keyMembers,
    key: keyText,
    replaced: z.string().openapi({ description: 'The id of the key whose place it takes.' }),
    warnings: z.array(z.string()),
    guards: z.array(z.string()),
    replayed,
  })
  .openapi('KeyReissued');

const spread = {
  elapsedMs: z.number().openapi({ description: 'Until every live replica had acted on it, or 2 seconds had passed.' }),
  acknowledged: z.int().openapi({ description: 'Replicas that have acted on it: the key is refused there, and its streams are cut.' }),
  pending: z.int().openapi({ description: 'Replicas that have not said so yet. They refuse the key at its next call all the same.' }),
  pendingReplicas: z.array(z.string()),
};

export const revokedSchema = z.object({ ...keyMembers, already: z.boolean(), ...spread }).openapi('KeyRevoked');

export const bulkRevokedSchema = z
  .object({ revoked: z.array(z.string()), already: z.int(), kept: z.string().nullable(), ...spread })
  .openapi('KeysRevoked');

export const deletedSchema = z.object({ id: z.string(), deleted: z.literal(true), ...spread }).openapi('KeyDeleted');

const accountMembers = { id: z.string(), balance: money, held: money, available: money, ...limitLists, createdAt: time };

export const accountSchema = z.object(accountMembers).openapi('Account');

/** After a credit or an adjustment. */
export const creditedSchema = z.object({ ...accountMembers, replayed: z.boolean() }).openapi('AccountCredited');

export const usageSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    environment: z.string(),
    status: keyMembers.status,
    accountId: z.string().nullable(),
    limits: z.array(limitSchema),
  })
  .openapi('Usage');

export const meSchema = z
  .object({
    ...keyMembers,
    limits: z.array(limitSchema),
    accessToken: z.object({ id: z.string(), expiresAt: time }).nullable(),
    stepUpUntil: time.nullable(),
  })
  .openapi('Me');

export const problemSchema = z
  .object({
    type: z.literal('about:blank'),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    reason: z.string(),
    requestId: z.string(),
    problems: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem');

export function pageOf<Row extends z.ZodType>(row: Row) {
  return z.object({ data: z.array(row), nextCursor: z.string().nullable() });
}

/** How every list is paged. */
export const pageQuery = {
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,5}$/, `must be a whole number from 1 to ${pageRowsMax}`)
    .transform(Number)
    .refine((rows) => rows <= pageRowsMax, `must be a whole number from 1 to ${pageRowsMax}`)
    .optional()
    .openapi({ type: 'integer', description: `Rows on the page, 1 to ${pageRowsMax}; 50 where not given.` }),
  cursor: z.string().max(64).optional().openapi({ description: 'The `nextCursor` of the page before.' }),
};
