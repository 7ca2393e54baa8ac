import { expect, test } from 'vitest';
import type { Callers } from '../../src/ports/callers.ts';
import { authenticate } from '../../src/stages/authenticate.ts';
import type { Received } from '../../src/stages/reached.ts';

test('I3: where the store cannot be read the answer is 503, for keys and for access tokens', async () => {
  const broken = () => {
    throw new Error('the store cannot be read');
  };
  const callers = { byKey: broken, byAccessToken: async () => broken() } as unknown as Callers;
  const throttle = { take: async () => ({ allowed: true, retryAfterMs: 0, remaining: 1, resetMs: 1 }) };
  for (const authorization of ['Bearer kg_live_x', 'Bearer a.b.c']) {
    const received = { headers: { authorization }, address: '127.0.0.1', at: 0 } as unknown as Received;
    await expect(authenticate({ callers, throttle }, received)).rejects.toMatchObject({ reason: 'STORE_UNAVAILABLE' });
  }
});
