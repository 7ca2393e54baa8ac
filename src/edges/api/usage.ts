import { z } from '@hono/zod-openapi';
import { keyFilterMembers } from '../../authority/key-filter.ts';
import { keyUsage, listUsage } from '../../authority/usage.ts';
import { filterOf } from './keys.ts';
import { type Operation, operation } from './operation.ts';
import { pageOf, pageQuery, usageSchema } from './schemas.ts';

export const usageOperation: Operation = operation({
  ...{
    verb: 'get',
    path: '/usage',
    name: 'listUsage',
    tag: 'checks',
    listeners: ['admin'],
    summary: 'What keys have used of their limits.',
  },
  ...{ permission: 'usage.read', refusals: [404] },
  query: z.strictObject({ keyId: z.string().optional(), ...keyFilterMembers, ...pageQuery }),
  success: { status: 200, schema: pageOf(usageSchema), description: 'One page of keys with their use; of one key with keyId.' },
  async act({ authority }, { query, by }) {
    const { keyId, limit, cursor } = query;
    if (keyId !== undefined) return { status: 200, body: { data: [await keyUsage(authority, keyId, by)], nextCursor: null } };
    return { status: 200, body: await listUsage(authority, { filter: filterOf(query), limit, cursor }, by) };
  },
});
