import * as z from 'zod';
import type { Guard } from '../domain/guard.ts';
import { readCount } from './amounts.ts';
import type { Reading } from './problems.ts';
import { meaning } from './reading.ts';

/** Every ancestor is read and counted at every call. */
const deepest = 16;

const depth = meaning(z.union([z.number(), z.string()]), (written): Reading<number> => {
  const count = readCount(written);
  if (!('value' in count) || count.value <= deepest) return count;
  return { message: `must be at most ${deepest}`, hint: 'every ancestor of a key is checked at every call' };
});

export const childrenSchema = z.strictObject({
  depthMax: depth.prefault(3).describe('How many generations may descend from a key; 0 = none.'),
});

const guard = (about: string) => z.enum(['warn', 'refuse']).default('warn').describe(about);

/** One setting for each guard: warned about, or refused. */
export const guardsSchema = z.strictObject({
  wildcard: guard('A scope with a wildcard.'),
  manage: guard('A key of an agent or bot that may manage.'),
  unbudgeted: guard('A key without a budget that reaches tools with a price.'),
  name: guard('A name that does not say what the key is for.'),
  duplicate: guard('A second live key for the same agent and purpose.'),
  expiry: guard('A key that never expires.'),
} satisfies Record<Guard, z.ZodType>);
