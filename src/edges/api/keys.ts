import { z } from '@hono/zod-openapi';
import { keyFilterMembers } from '../../authority/key-filter.ts';
import { listKeys } from '../../authority/list.ts';
import { mint, mintAnswer, mintChild } from '../../authority/mint.ts';
import { mintRequestSchema, patchRequestSchema } from '../../authority/mint-request.ts';
import { patch, patchAnswer } from '../../authority/patch.ts';
import { remove } from '../../authority/remove.ts';
import { showKey } from '../../authority/show.ts';
import type { KeyFilter } from '../../ports/keyring.ts';
import { findTarget } from './find-target.ts';
import { type Operation, operation } from './operation.ts';
import { changedKeySchema, deletedSchema, keySchema, mintedSchema, pageOf, pageQuery, shownKeySchema } from './schemas.ts';

/** The members of a query that narrow a list; those not given are left out. */
export function filterOf({
  orgId,
  agentId,
  accountId,
  parentId,
  environment,
  kind,
}: z.output<z.ZodObject<typeof keyFilterMembers>>): KeyFilter {
  const members = Object.entries({ orgId, agentId, accountId, parentId, environment, kind });
  return Object.fromEntries(members.filter(([, value]) => value !== undefined)) as KeyFilter;
}

export const keyOperations: readonly Operation[] = [
  operation({
    ...{ verb: 'post', path: '/keys/mint', name: 'mintKey', tag: 'keys', listeners: ['admin', 'data'] },
    summary: 'Make a key. Its text is in this answer and nowhere else.',
    ...{ permission: 'keys.mint', changes: true, keyItself: true, shownOnce: ['key'] },
    ...{ body: mintRequestSchema, bodyAsWritten: true, refusals: [] },
    success: { status: 201, schema: mintedSchema, description: 'The key was made.' },
    async act({ authority }, { body, by, caller }) {
      const options = caller.key.kind === 'operator' ? {} : { holder: caller.key };
      return { status: 201, body: mintAnswer(await mint(authority, body, by, options)) };
    },
  }),
  operation({
    ...{ verb: 'post', path: '/keys/{id}/children', name: 'mintChild', tag: 'own key', listeners: ['admin', 'data'] },
    summary: 'Make a narrower key that descends from this one; a key may do this for itself.',
    ...{ permission: 'keys.child', changes: true, keyItself: true, shownOnce: ['key'] },
    ...{ body: mintRequestSchema, bodyAsWritten: true, refusals: [404] },
    success: { status: 201, schema: mintedSchema, description: 'The child was made.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.child');
      return { status: 201, body: mintAnswer(await mintChild(deps.authority, asked.id, asked.body, asked.by)) };
    },
  }),
  operation({
    ...{ verb: 'get', path: '/keys', name: 'listKeys', tag: 'keys', listeners: ['admin'], summary: 'List keys, dead ones included.' },
    ...{ permission: 'keys.read', query: z.strictObject({ ...keyFilterMembers, ...pageQuery }), refusals: [] },
    success: { status: 200, schema: pageOf(keySchema), description: 'One page of keys.' },
    async act({ authority }, { query, by }) {
      const { limit, cursor } = query;
      return { status: 200, body: await listKeys(authority, { filter: filterOf(query), limit, cursor }, by) };
    },
  }),
  operation({
    ...{ verb: 'get', path: '/keys/{id}', name: 'showKey', tag: 'keys', listeners: ['admin'], summary: 'Show a key; never its text.' },
    ...{ permission: 'keys.read', refusals: [404] },
    success: { status: 200, schema: shownKeySchema, description: 'The key.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.read');
      return { status: 200, body: await showKey(deps.authority, asked.id, asked.by) };
    },
  }),
  operation({
    ...{ verb: 'patch', path: '/keys/{id}', name: 'changeKey', tag: 'keys', listeners: ['admin'] },
    summary: 'Change what a key may do, or what is said of it. Members left out stay; null takes a member away.',
    ...{ permission: 'keys.patch', changes: true, body: patchRequestSchema, bodyAsWritten: true, refusals: [404, 409] },
    success: { status: 200, schema: changedKeySchema, description: 'The key as it is now.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.patch');
      return { status: 200, body: patchAnswer(await patch(deps.authority, asked.id, asked.body, asked.by)) };
    },
  }),
  operation({
    ...{ verb: 'delete', path: '/keys/{id}', name: 'deleteKey', tag: 'keys', listeners: ['admin'] },
    summary: 'Delete a key for good: from now on it is one that nobody minted.',
    ...{ permission: 'keys.delete', changes: true, refusals: [404] },
    success: { status: 200, schema: deletedSchema, description: 'The key is gone.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.delete');
      return { status: 200, body: await remove(deps.authority, asked.id, { by: asked.by }) };
    },
  }),
];
