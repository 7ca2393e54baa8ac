import { z } from '@hono/zod-openapi';
import { createAccount, creditAccount, showAccount } from '../../authority/accounts.ts';
import { identifierSchema } from '../../authority/mint-request.ts';
import { type Operation, operation } from './operation.ts';
import { accountSchema, creditedSchema } from './schemas.ts';

export const accountOperations: readonly Operation[] = [
  operation({
    ...{ verb: 'post', path: '/accounts', name: 'createAccount', tag: 'accounts', listeners: ['admin'], summary: 'Open an account.' },
    ...{ permission: 'gateway.change', changes: true, body: z.strictObject({ id: identifierSchema }), refusals: [409] },
    success: { status: 201, schema: accountSchema, description: 'The account, with a balance of nothing.' },
    async act({ authority }, { body, by }) {
      return { status: 201, body: await createAccount(authority, body.id, by) };
    },
  }),
  operation({
    ...{ verb: 'get', path: '/accounts/{id}', name: 'showAccount', tag: 'accounts', listeners: ['admin'], summary: 'Show an account.' },
    ...{ permission: 'gateway.read', refusals: [404] },
    success: { status: 200, schema: accountSchema, description: 'The account.' },
    async act({ authority }, { id }) {
      return { status: 200, body: showAccount(authority, id) };
    },
  }),
  operation({
    ...{ verb: 'post', path: '/accounts/{id}/credit', name: 'creditAccount', tag: 'accounts', listeners: ['admin'] },
    summary: 'Add money. The same reference with the same amount again changes nothing.',
    ...{ permission: 'gateway.change', changes: true, refusals: [404, 409] },
    body: z.strictObject({
      amount: z
        .string('must be a decimal string such as "5.00"')
        .openapi({ example: '25.00', description: 'More than 0, at most 6 places.' }),
      reference: z.string('must be the name of the payment').openapi({ example: 'invoice-2026-117' }),
    }),
    success: { status: 200, schema: creditedSchema, description: 'The account as it is now.' },
    async act({ authority }, { id, body, by }) {
      const { account, replayed } = await creditAccount(authority, { accountId: id, ...body, by });
      return { status: 200, body: { ...account, replayed } };
    },
  }),
];
