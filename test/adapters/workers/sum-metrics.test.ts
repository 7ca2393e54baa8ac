import { expect, it } from 'vitest';
import { createMetrics } from '../../../src/adapters/metrics.ts';
import { createMetricSums } from '../../../src/adapters/workers/sum-metrics.ts';

/** A worker that has counted so many calls, runs so many, and sees its upstream in a state. */
async function worker({ calls, running, open }: { calls: number; running: number; open: boolean }) {
  const metrics = createMetrics({
    running: () => running,
    load: { requests: running, bodyBytes: 0, lagMs: () => (open ? 2_000 : 1_000) },
    upstreams: () => [{ upstream: 'up', state: open ? 'open' : 'closed', inflight: running, waiting: 0 }],
    heldTools: async () => new Map([['up', 3]]),
  });
  for (let at = 0; at < calls; at += 1) {
    metrics.request({ upstream: 'up', method: 'tools/call', decision: 'allowed', reason: 'none', seconds: 0.001 });
  }
  return await metrics.values();
}

function shown(text: string, name: string): string | undefined {
  return text
    .split('\n')
    .find((line) => line.startsWith(name))
    ?.split(' ')
    .at(-1);
}

it('adds counts up, and of what is no count it shows the worst', async () => {
  const sums = createMetricSums();
  const one = await worker({ calls: 3, running: 1, open: true });
  const other = await worker({ calls: 4, running: 2, open: false });
  const text = await sums.text(
    new Map([
      [1, one],
      [2, other],
    ]),
  );
  expect(shown(text, 'keygate_requests_total{')).toBe('7');
  expect(shown(text, 'keygate_request_duration_seconds_count{')).toBe('7');
  expect(shown(text, 'keygate_running')).toBe('3');
  expect(shown(text, 'keygate_upstream_inflight{')).toBe('3');
  expect(shown(text, 'keygate_upstream_state{')).toBe('2');
  expect(shown(text, 'keygate_event_loop_lag_seconds')).toBe('2');
  expect(shown(text, 'keygate_tools_held_back{')).toBe('3');
});

it('no count falls when a worker ends or does not answer', async () => {
  const sums = createMetricSums();
  const still = await worker({ calls: 5, running: 0, open: false });
  for (let life = 1; life <= 4; life += 1) {
    await sums.text(
      new Map([
        [0, still],
        [life, await worker({ calls: 10, running: 7, open: true })],
      ]),
    );
    sums.left(life);
  }
  const text = await sums.text(new Map([[0, undefined]]));
  expect(shown(text, 'keygate_requests_total{')).toBe('45');
  expect(shown(text, 'keygate_running')).toBe('0');
  expect(shown(text, 'keygate_upstream_state{')).toBe('0');
});

it('a worker that was never asked leaves nothing', async () => {
  const sums = createMetricSums();
  sums.left(1);
  expect(await sums.text(new Map())).toBe('\n');
});
