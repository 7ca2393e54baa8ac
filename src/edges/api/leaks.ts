import { z } from '@hono/zod-openapi';
import { reportLeak } from '../../authority/leak.ts';
import { Denial } from '../../domain/denial.ts';
import { failClosed } from '../../stages/fail-closed.ts';
import { findTarget } from './find-target.ts';
import { type Operation, operation } from './operation.ts';
import { requireFresh } from './permit.ts';

/** Reports from one address: each one looks a key up. */
const reports = { calls: 60, perSeconds: 60 } as const;

export const leakOperation: Operation = operation({
  ...{ verb: 'post', path: '/leaks', name: 'reportLeak', tag: 'keys', listeners: ['admin'] },
  summary: 'Report a key that was seen where it should not be: it is revoked. The answer is the same whether there is such a key or not.',
  ...{ permission: 'leaks.report', refusals: [404] },
  body: z.strictObject({
    key: z.string().optional().openapi({ description: 'The whole text, which anybody may report who has it.' }),
    id: z.string().optional().openapi({ description: 'Only for those who may revoke the key.' }),
  }),
  success: { status: 200, schema: z.object({ received: z.literal(true) }).openapi('LeakReported'), description: 'The report was taken.' },
  async act(deps, asked) {
    const { allowed, retryAfterMs } = await failClosed(deps.throttle.take({ key: `leaks:${asked.address}`, ...reports }));
    if (!allowed) throw new Denial('RATE_LIMITED', { facts: { limit: `${reports.calls}/${reports.perSeconds}s`, retryAfterMs } });
    const { key, id } = asked.body;
    // Ids are no secrets, so whoever could not revoke the key may not have it revoked by naming it.
    if (key === undefined && id !== undefined) {
      if (deps.stepUpForOperators) await requireFresh(deps, asked.caller, asked.at);
      await findTarget(deps, { ...asked, id }, 'keys.patch');
    }
    return { status: 200, body: await reportLeak(deps.authority, asked.body, asked.by) };
  },
});
