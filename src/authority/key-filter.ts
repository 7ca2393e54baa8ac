import { z } from 'zod';
import { identifierSchema } from './mint-request.ts';

/** What keys are listed, counted and revoked in bulk by. Every member narrows. */
export const keyFilterMembers = {
  orgId: identifierSchema.optional(),
  agentId: identifierSchema.optional(),
  accountId: identifierSchema.optional(),
  parentId: z
    .string()
    .regex(/^[0-9A-Za-z]{8}$/, 'must be the id of a key')
    .optional(),
  environment: z.enum(['live', 'test'], 'must be live or test').optional(),
  kind: z.enum(['agent', 'bot', 'operator'], 'must be agent, bot or operator').optional(),
};
