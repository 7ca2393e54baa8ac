import * as z from 'zod';
import { keysSchema, writtenSchema } from './schema.ts';

/** JSON Schema (draft 2020-12) of the written form, for editors; config/schema.json is its text. */
export function configJsonSchema(): object {
  const secretsOptional = keysSchema.partial({ pepper: true, seal: true, signing: true }).optional().describe('Agent keys.');
  const { $schema, ...rest } = z.toJSONSchema(writtenSchema.extend({ keys: secretsOptional }), { io: 'input' });
  return { $schema, title: 'keygate configuration', ...rest };
}
