import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Bench, createClosers, startBench } from '../support/bench.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { hang, only, resetBeforeAnswer, slowBytes, status } from '../support/misbehaviours.ts';
import { freePort } from '../support/ports.ts';
import { post, toolCall } from '../support/post.ts';
import { startRecordingUpstream } from '../support/recording-upstream.ts';

const closers = createClosers();
afterEach(() => closers.closeAll());

const call = (bench: Bench, name = 'up') => post(`${bench.gate.url}/mcp/${name}`, { key: bench.key, body: toolCall('echo', {}, 7) });
const healthOf = async (bench: Bench, name = 'up') => {
  const response = await fetch(`${bench.gate.adminUrl}/readyz`);
  return { status: response.status, ...((await response.json()) as { upstreams: Record<string, { state: string }> }).upstreams[name] };
};
const metric = async (bench: Bench, line: string) => {
  const text = await (await fetch(`${bench.gate.adminUrl}/metrics`)).text();
  return new RegExp(`^keygate_upstream_${line} (\\d+)$`, 'm').exec(text)?.[1];
};

describe('A49: the breaker of an upstream', () => {
  it.each([
    ['fails', status(503), 502],
    ['resets', resetBeforeAnswer, 502],
    ['hangs', hang, 504],
  ])(
    'opens when it %s, refuses before anything is sent and releases the hold, and closes when it is back',
    async (_name, respond, http) => {
      const bench = closers.keep(
        await startBench({
          up: { breaker: { failures: 3, openFor: '2s' } },
          config: { limits: { upstreamTimeoutMs: 100, holdMsMax: 5_000 } },
        }),
      );
      bench.upstream.script(only('tools/call', respond));
      for (let calls = 0; calls < 3; calls += 1) expect((await call(bench)).status).toBe(http);
      const sent = bench.upstream.requests.length;
      const refused = await call(bench);
      expect({ status: refused.status, id: refused.json.id, sent: bench.upstream.requests.length }).toEqual({ status: 503, id: 7, sent });
      const { reason, outcome, retryAfterMs } = refused.json.error?.data ?? {};
      expect({ reason, outcome }).toEqual({ reason: 'UPSTREAM_UNAVAILABLE', outcome: 'not-sent' });
      expect(Number(retryAfterMs)).toBeLessThanOrEqual(2_000);
      expect(['1', '2']).toContain(refused.headers.get('retry-after'));
      const records = await bench.settled().then(() => bench.recordsOf(refused.headers.get('x-request-id')));
      expect(records.map(({ kind, charged, reason: why }) => ({ kind, charged, why }))).toEqual([
        { kind: 'call.intent', charged: undefined, why: undefined },
        { kind: 'call.outcome', charged: '0', why: 'UPSTREAM_UNAVAILABLE' },
      ]);
      expect((await bench.usage())[0]).toMatchObject({ spent: 30_000, held: 0 });
      // Ready all the same: the other upstreams of this replica can be reached, and no other replica is better off with this one.
      expect(await healthOf(bench)).toMatchObject({ status: 200, state: 'open', inflight: 0, waiting: 0 });
      expect(await metric(bench, 'state{upstream="up"}')).toBe('2');
      bench.upstream.script(undefined);
      await vi.waitFor(async () => expect((await call(bench)).status).toBe(200), { timeout: 15_000, interval: 100 });
      expect(await healthOf(bench)).toMatchObject({ status: 200, state: 'closed' });
      expect(await metric(bench, 'state{upstream="up"}')).toBe('0');
      await bench.gate.journalled('upstream.closed', 1);
      expect((await bench.gate.journal()).filter(({ kind }) => kind.startsWith('upstream.')).map(({ kind }) => kind)).toEqual([
        'upstream.opened',
        'upstream.closed',
      ]);
      await bench.alive();
    },
  );

  it('without any setting, ten failures in a row are enough', async () => {
    const bench = closers.keep(await startBench({ up: { breaker: undefined } }));
    bench.upstream.script(status(500));
    const reasons: unknown[] = [];
    for (let calls = 0; calls < 11; calls += 1) reasons.push((await call(bench)).json.error?.data.reason);
    expect(reasons).toEqual([...Array.from({ length: 10 }, () => 'UPSTREAM_FAILED'), 'UPSTREAM_UNAVAILABLE']);
  });

  it('a client error, however often, opens nothing', async () => {
    const bench = closers.keep(await startBench({ up: { breaker: { failures: 2 } } }));
    bench.upstream.script(only('tools/call', status(404)));
    for (let calls = 0; calls < 6; calls += 1) expect((await call(bench)).json.error?.data.reason).toBe('UPSTREAM_FAILED');
    expect(bench.upstream.calls('tools/call').length).toBe(6);
    expect(await healthOf(bench)).toMatchObject({ state: 'closed' });
    await bench.alive();
  });
});

describe('A49: the bounds of an upstream', () => {
  it('beyond what may run and wait, calls are refused and pay nothing', async () => {
    const bench = closers.keep(await startBench({ up: { limits: { concurrencyMax: 2, queueMax: 1 } } }));
    const go = Promise.withResolvers<void>();
    bench.upstream.script(
      only('tools/call', async (_request, _response, ordinary) => {
        await go.promise;
        await ordinary();
      }),
    );
    const running = [call(bench), call(bench)];
    await bench.upstream.received(2);
    const queued = call(bench);
    await vi.waitFor(async () => expect(await metric(bench, 'waiting{upstream="up"}')).toBe('1'));
    const refused = await call(bench);
    expect({ status: refused.status, id: refused.json.id }).toEqual({ status: 503, id: 7 });
    expect(refused.json.error?.data).toMatchObject({ reason: 'OVERLOADED', retryAfterMs: 1_000, outcome: 'not-sent' });
    go.resolve();
    expect((await Promise.all([...running, queued])).map(({ status: code }) => code)).toEqual([200, 200, 200]);
    await bench.settled();
    const [outcome] = (await bench.recordsOf(refused.headers.get('x-request-id'))).slice(-1);
    expect(outcome).toMatchObject({ kind: 'call.outcome', reason: 'OVERLOADED', charged: '0' });
    await bench.alive();
  });

  it.each(['hangs', 'refuses', 'drips'] as const)(
    'one that %s under 256 callers does not slow another down',
    async (how) => {
      const trouble = closers.keep(await startRecordingUpstream({ respond: how === 'hangs' ? hang : slowBytes(200) }));
      const url = how === 'refuses' ? `http://127.0.0.1:${await freePort()}/mcp` : trouble.url;
      const limits = { concurrencyMax: 64, queueMax: 128 };
      const bench = closers.keep(
        await startBench({
          also: { fine: { limits } },
          config: {
            limits: { upstreamTimeoutMs: 20_000, holdMsMax: 60_000 },
            upstreams: { trouble: upstreamConfig(url, { limits }) },
          },
          mint: { budgets: [{ amount: '100000', per: 'total' }] },
        }),
      );
      await measure(bench, 100);
      // The same callers at an upstream that answers: the load is the same, only the trouble is not there.
      const beside = async (name: string): Promise<number> => {
        const crowd = gather(bench, name);
        await vi.waitFor(() => expect(crowd.asked()).toBeGreaterThan(256), { timeout: 40_000 });
        const p99 = await measure(bench, 120);
        await crowd.leave();
        return p99;
      };
      const fine = await beside('fine');
      const troubled = await beside('trouble');
      const again = await beside('fine');
      const baseline = Math.max(fine, again);
      console.log(`${how}: p99 ${troubled.toFixed(1)} ms beside it, ${fine.toFixed(1)} and ${again.toFixed(1)} beside one that answers`);
      // Whoever waited for the other's connections, places or timeouts would be seconds late.
      expect(troubled).toBeLessThan(3 * baseline + 200);
      await bench.settled();
    },
    180_000,
  );
});

/** 256 callers who come back a second after each answer or refusal. */
function gather(bench: Bench, name: string): { asked(): number; leave(): Promise<void> } {
  const leaving = new AbortController();
  const { signal } = leaving;
  let asked = 0;
  const body = JSON.stringify(toolCall('echo', {}, 1));
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    authorization: `Bearer ${bench.key}`,
  };
  const caller = async () => {
    while (!signal.aborted) {
      asked += 1;
      const answer = fetch(`${bench.gate.url}/mcp/${name}`, { method: 'POST', headers, body, signal });
      await answer.then((response) => response.text()).catch(() => undefined);
      await wait(1_000, undefined, { signal }).catch(() => undefined);
    }
  };
  const callers = Array.from({ length: 256 }, caller);
  return {
    asked: () => asked,
    async leave() {
      leaving.abort();
      await Promise.all(callers);
    },
  };
}

/** p99 in milliseconds of calls to the healthy upstream, four at a time; every one must succeed. */
async function measure(bench: Bench, calls: number): Promise<number> {
  const times: number[] = [];
  const worker = async () => {
    while (times.length < calls) {
      const began = performance.now();
      const answer = await call(bench);
      times.push(performance.now() - began);
      expect(answer.status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] ?? Number.NaN;
}
