import * as z from 'zod';

const reaction = (fallback: 'quarantine' | 'report') => z.enum(['quarantine', 'report']).default(fallback);

/** Tools are known by what they are listed as. */
export const pinningSchema = z.strictObject({
  mode: z
    .enum(['off', 'first-sight', 'approve'])
    .default('first-sight')
    .describe('first-sight pins a tool as it is first listed; approve hides and refuses it until an operator approves it.'),
  onChange: z
    .strictObject({
      schema: reaction('quarantine').describe('Name, input schema, output schema.'),
      annotations: reaction('quarantine').describe('Hints, and everything that is in no other part.'),
      wording: reaction('report').describe('Title, description, icons.'),
    })
    .prefault({})
    .describe('quarantine hides and refuses the tool until it is approved; report only tells the journal.'),
});
