import { z } from '@hono/zod-openapi';
import { adjustAccount, createAccount, creditAccount, limitAccount, showAccount } from '../../authority/accounts.ts';
import { accountLimitsSchema, identifierSchema } from '../../authority/mint-request.ts';
import { type Operation, operation } from './operation.ts';
import { accountSchema, creditedSchema } from './schemas.ts';

const reference = z.string('must be the name of the payment').openapi({ example: 'invoice-2026-117' });

export const accountOperations: readonly Operation[] = [
  operation({
    ...{ verb: 'post', path: '/accounts', name: 'createAccount', tag: 'accounts', listeners: ['admin'], summary: 'Open an account.' },
    ...{ permission: 'gateway.change', changes: true, refusals: [409] },
    body: z.strictObject({ id: identifierSchema, ...accountLimitsSchema.shape }),
    success: { status: 201, schema: accountSchema, description: 'The account, with a balance of nothing.' },
    async act({ authority }, { body, by }) {
      const { id, ...limits } = body;
      return { status: 201, body: await createAccount(authority, id, by, limits) };
    },
  }),
  operation({
    ...{ verb: 'get', path: '/accounts/{id}', name: 'showAccount', tag: 'accounts', listeners: ['admin'], summary: 'Show an account.' },
    ...{ permission: 'gateway.read', refusals: [404] },
    success: { status: 200, schema: accountSchema, description: 'The account.' },
    async act({ authority }, { id }) {
      return { status: 200, body: await showAccount(authority, id) };
    },
  }),
  operation({
    ...{ verb: 'patch', path: '/accounts/{id}', name: 'limitAccount', tag: 'accounts', listeners: ['admin'] },
    summary: 'Replace the budgets or caps of an account: limits on what its live keys take together.',
    ...{ permission: 'gateway.change', changes: true, body: accountLimitsSchema, refusals: [404] },
    success: { status: 200, schema: accountSchema, description: 'The account as it is now.' },
    async act({ authority }, { id, body, by }) {
      return { status: 200, body: await limitAccount(authority, { accountId: id, limits: body, by }) };
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
      reference,
    }),
    success: { status: 200, schema: creditedSchema, description: 'The account as it is now.' },
    async act({ authority }, { id, body, by }) {
      const { account, replayed } = await creditAccount(authority, { accountId: id, ...body, by });
      return { status: 200, body: { ...account, replayed } };
    },
  }),
  operation({
    ...{ verb: 'post', path: '/accounts/{id}/adjust', name: 'adjustAccount', tag: 'accounts', listeners: ['admin'] },
    summary: 'Correct a balance, up or down. The same reference with the same amount again changes nothing.',
    ...{ permission: 'gateway.change', changes: true, refusals: [404, 409] },
    body: z.strictObject({
      amount: z.string('must be a decimal string such as "-5.00"').openapi({ example: '-2.50', description: 'Not 0, at most 6 places.' }),
      reference,
      reason: z.string('must say why').openapi({ example: 'charged twice by mistake' }),
    }),
    success: { status: 200, schema: creditedSchema, description: 'The account as it is now.' },
    async act({ authority }, { id, body, by }) {
      const { account, replayed } = await adjustAccount(authority, { accountId: id, ...body, by });
      return { status: 200, body: { ...account, replayed } };
    },
  }),
];
