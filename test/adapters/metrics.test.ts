import { Counter, Histogram, Registry } from 'prom-client';
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

test('what was counted reads as the library would write it, and the same whenever it is asked for', async () => {
  const metrics = createMetrics({ running: () => 0, load: idle, upstreams: () => [], heldTools: async () => new Map() });
  const registry = new Registry();
  const bounds = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
  const common = { help: 'x', registers: [registry] };
  const labelNames = ['upstream', 'method', 'decision'];
  const requests = new Counter({ ...common, name: 'keygate_requests_total', labelNames: [...labelNames, 'reason'] });
  const seconds = new Histogram({ ...common, name: 'keygate_request_duration_seconds', labelNames, buckets: bounds });
  const times = [0, 0.0005, 0.001, 0.0011, 0.3, 60, 61, 1_000, 2.5];
  for (const asked of [1, 2, 3]) {
    for (const [at, took] of times.entries()) {
      const labels = {
        upstream: at % 2 === 0 ? 'up' : 'a "quoted" one',
        method: 'tools/call',
        decision: at % 3 === 0 ? 'refused' : 'allowed',
      } as const;
      const reason = at % 4 === 0 ? 'none' : 'TOKEN_INVALID';
      metrics.request({ ...labels, reason, seconds: took });
      requests.inc({ ...labels, reason });
      seconds.observe(labels, took);
    }
    const counted = (text: string) =>
      text
        .split('\n')
        .filter((line) => /^(?:# TYPE )?keygate_request(?:s_total|_duration)/.test(line))
        .sort();
    const lines = counted(await metrics.text());
    expect(lines).toEqual(counted(await registry.metrics()));
    expect(lines.length, `asked ${asked}`).toBeGreaterThan(70);
  }
});
