import { expect, test } from 'vitest';
import { createMetrics } from '../../src/adapters/metrics.ts';

const idle = { requests: 0, bodyBytes: 0, lagMs: () => 0 };

/** The values of the label `method` that the counter of requests shows. */
async function methodsSeen(methods: readonly string[]): Promise<string[]> {
  const metrics = createMetrics({ running: () => 0, load: idle, upstreams: () => [], heldTools: async () => new Map([['wiki', 2]]) });
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

test('upstreams show their state and load, and one that has left shows nothing', async () => {
  const upstreams = [
    { upstream: 'wiki', state: 'open', inflight: 2, waiting: 1 },
    { upstream: 'notes', state: 'half-open', inflight: 1, waiting: 0 },
  ] as const;
  let shown: typeof upstreams | readonly [] = upstreams;
  const metrics = createMetrics({ running: () => 0, load: idle, upstreams: () => shown, heldTools: async () => new Map() });
  const text = await metrics.text();
  for (const line of [
    'state{upstream="wiki"} 2',
    'state{upstream="notes"} 1',
    'inflight{upstream="wiki"} 2',
    'waiting{upstream="wiki"} 1',
  ]) {
    expect(text).toContain(`keygate_upstream_${line}\n`);
  }
  shown = [];
  expect(await metrics.text()).not.toContain('upstream="wiki"');
});
