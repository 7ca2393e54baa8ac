import * as z from 'zod';
import { readDuration } from './amounts.ts';
import type { Reading } from './problems.ts';
import { meaning } from './reading.ts';

/** A step-up says that somebody was there a short while ago. */
const longestMs = 3_600_000;

const freshFor = meaning(z.string(), (written): Reading<number> => {
  const reading = readDuration(written);
  if ('value' in reading && reading.value > longestMs) return { message: 'must be at most 1h', hint: 'such as 5m' };
  return reading;
});

export const stepUpSchema = z.strictObject({
  freshFor: freshFor.prefault('5m').describe('How long a passed step-up lasts, for its own key only; at most 1h.'),
  operators: z.boolean().default(false).describe('Whether operator keys need a fresh step-up for acts that change something.'),
});
