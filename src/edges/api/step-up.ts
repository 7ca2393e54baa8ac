import { z } from '@hono/zod-openapi';
import { timeText } from '../../authority/view.ts';
import { Denial } from '../../domain/denial.ts';
import { findTarget } from './find-target.ts';
import { type Operation, operation } from './operation.ts';

const passedSchema = z.object({ freshUntil: z.string().openapi({ format: 'date-time' }) }).openapi('StepUp');

const enrolledSchema = z
  .object({
    keyId: z.string(),
    secret: z.string().nullable().openapi({ description: 'Base32, shown here only.' }),
    uri: z.string().nullable().openapi({ description: 'otpauth://, what a QR code holds.' }),
    replayed: z.literal(true).optional(),
  })
  .openapi('Enrolment');

export const stepUpOperations: readonly Operation[] = [
  operation({
    ...{ verb: 'post', path: '/step-up', name: 'stepUp', tag: 'own key', listeners: ['admin', 'data'] },
    summary: 'Pass a second factor for the key that asks; it lasts a few minutes, for this key alone.',
    ...{ body: z.strictObject({ code: z.string('must be the six digits') }), keyItself: true, refusals: [409] },
    success: { status: 200, schema: passedSchema, description: 'The code was right.' },
    async act({ stepUp }, { caller, body }) {
      const verdict = await stepUp.verify(caller.key.id, body.code);
      if (verdict.ok) return { status: 200, body: { freshUntil: timeText(verdict.freshUntil) } };
      const { reason, retryAfterMs } = verdict;
      if (retryAfterMs !== undefined) throw new Denial('RATE_LIMITED', { detail: 'Too many wrong codes.', facts: { retryAfterMs } });
      throw new Denial('STEP_UP_REQUIRED', {
        detail:
          reason === 'not-enrolled' ? 'This key has no second factor yet: an operator enrols it.' : 'The code is wrong or was used before.',
      });
    },
  }),
  operation({
    ...{ verb: 'post', path: '/keys/{id}/step-up', name: 'enrolStepUp', tag: 'keys', listeners: ['admin'] },
    summary: 'Give a key a second factor (TOTP, RFC 6238); the one before ends.',
    ...{ permission: 'keys.patch', changes: true, keyItself: true, shownOnce: ['secret', 'uri'], refusals: [404, 409] },
    ...{ body: z.strictObject({}), bodyOptional: true },
    success: { status: 201, schema: enrolledSchema, description: 'The new factor; it counts once its first code was right.' },
    async act(deps, asked) {
      const { id } = await findTarget(deps, asked, 'keys.patch');
      return { status: 201, body: { keyId: id, ...(await deps.stepUp.enrol(id, asked.by)) } };
    },
  }),
];
