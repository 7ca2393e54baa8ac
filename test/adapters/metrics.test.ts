import { expect, test } from 'vitest';
import { createMetrics } from '../../src/adapters/metrics.ts';

/** The values of the label `method` that the counter of requests shows. */
async function methodsSeen(methods: readonly string[]): Promise<string[]> {
  const metrics = createMetrics({ running: () => 0, heldTools: async () => new Map([['wiki', 2]]) });
  for (const method of methods) metrics.request({ upstream: 'none', method, decision: 'refused', reason: 'TOKEN_MISSING', seconds: 0 });
  const text = await metrics.text();
  return [...text.matchAll(/^keygate_requests_total\{.*?method="([^"]*)"/gm)].map(([, method = '']) => method);
}

test('methods that callers make up share one label, also those that look like known ones', async () => {
  const madeUp = Array.from({ length: 50 }, (_, at) => `tools/${'abcdefghij'.charAt(at % 10)}${'x'.repeat(at % 30)}`);
  expect(await methodsSeen([...madeUp, 'notifications/x', 'x', ''])).toEqual(['other']);
});

test('every method of the protocol, and what has none, keeps its name', async () => {
  const named = ['tools/call', 'resources/templates/list', 'server/discover', 'notifications/roots/list_changed', 'ping'];
  const without = ['none', 'response', 'stream/open', 'session/end'];
  expect(await methodsSeen([...named, ...without])).toEqual([...named, ...without]);
});
