import { z } from '@hono/zod-openapi';
import { bulkRevoke } from '../../authority/bulk-revoke.ts';
import { keyFilterMembers } from '../../authority/key-filter.ts';
import { reissue, reissueAnswer } from '../../authority/reissue.ts';
import { revoke } from '../../authority/revoke.ts';
import { rotate, rotateAnswer } from '../../authority/rotate.ts';
import { findTarget } from './find-target.ts';
import { type Operation, operation } from './operation.ts';
import { bulkRevokedSchema, reissuedSchema, revokedSchema, rotatedSchema } from './schemas.ts';

const reason = z.string().optional().openapi({ description: 'One line for the journal, at most 200 characters.' });

export const keyActOperations: readonly Operation[] = [
  operation({
    ...{ verb: 'post', path: '/keys/{id}/rotate', name: 'rotateKey', tag: 'keys', listeners: ['admin', 'data'] },
    summary: 'Give a key a new secret; the one before works until the overlap ends.',
    ...{ permission: 'keys.rotate', changes: true, keyItself: true, shownOnce: ['key'], bodyOptional: true, refusals: [404, 409] },
    body: z.strictObject({
      overlap: z.string().optional().openapi({ description: 'now, 15m, 1h, 6h, 24h or any duration up to 24h.', example: '15m' }),
    }),
    success: { status: 200, schema: rotatedSchema, description: 'The new secret.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.rotate');
      const { key } = asked.caller;
      const options = { ...asked.body, ...(key.kind === 'operator' ? {} : { holder: key }) };
      return { status: 200, body: rotateAnswer(await rotate(deps.authority, asked.id, options, asked.by)) };
    },
  }),
  operation({
    ...{ verb: 'post', path: '/keys/{id}/revoke', name: 'revokeKey', tag: 'keys', listeners: ['admin', 'data'] },
    summary: 'Revoke a key for good, and with it all that descends from it.',
    ...{ permission: 'keys.revoke', changes: true, bodyOptional: true, refusals: [404] },
    body: z.strictObject({ reason }),
    success: { status: 200, schema: revokedSchema, description: 'Every replica refuses the key, or the bound has passed.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.revoke');
      const { record, ...rest } = await revoke(deps.authority, asked.id, { reason: asked.body.reason, by: asked.by });
      return { status: 200, body: { ...record, ...rest } };
    },
  }),
  operation({
    ...{ verb: 'post', path: '/keys/revoke', name: 'revokeKeys', tag: 'keys', listeners: ['admin'] },
    summary: 'Revoke every key that matches: of an agent, an organisation, an account, a parent.',
    ...{ permission: 'keys.revokeMany', changes: true, body: z.strictObject({ ...keyFilterMembers, reason }), refusals: [] },
    success: { status: 200, schema: bulkRevokedSchema, description: 'What was revoked.' },
    async act({ authority }, { body, by }) {
      const { reason: why, ...filter } = body;
      return { status: 200, body: await bulkRevoke(authority, filter, { reason: why, by }) };
    },
  }),
  operation({
    ...{ verb: 'post', path: '/keys/{id}/reissue', name: 'reissueKey', tag: 'keys', listeners: ['admin'] },
    summary: 'Make a new key with the same grants and a shorter life, and revoke this one.',
    ...{ permission: 'keys.reissue', changes: true, keyItself: true, shownOnce: ['key'], bodyOptional: true, refusals: [404, 409] },
    bodyAsWritten: true,
    body: z.strictObject({
      ttl: z.string().optional().openapi({ example: '1h' }),
      scopes: z.array(z.string()).optional().openapi({ description: 'Fewer than the key has; all of them where left out.' }),
      reason,
    }),
    success: { status: 201, schema: reissuedSchema, description: 'The key that takes its place.' },
    async act(deps, asked) {
      await findTarget(deps, asked, 'keys.reissue');
      return { status: 201, body: reissueAnswer(await reissue(deps.authority, asked.id, asked.body, asked.by)) };
    },
  }),
];
