import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { type Posted, post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { startRedis, type TestRedis } from '../support/redis-server.ts';

/** Between the gateway and Redis. */
let redis: TestRedis;
let way: FaultProxy;
let upstream: RecordingUpstream;
let gate: TestGateway;
let made: { key: string; id: string };

const commandTimeoutMs = 500;
const holdMsMax = 2_000;
/** Once the way is whole again (A41), and what a busy machine adds. */
const recoveryMsMax = 5_000 + 3_000;
const price = 10_000;

beforeAll(async () => {
  redis = await startRedis();
  way = await startFaultProxy(redis.port);
  upstream = await startRecordingUpstream({ sessions: false });
  gate = await startTestGateway({
    store: `redis://127.0.0.1:${way.port}`,
    redis: { commandTimeoutMs },
    limits: { holdMsMax, upstreamTimeoutMs: 1_000 },
    upstreams: { up: upstreamConfig(upstream.url) },
  });
  made = await gate.mint({ scopes: ['read:up'], budgets: [{ amount: '1000', per: 'total' }] });
});
afterAll(async () => {
  await gate.close();
  await upstream.close();
  await way.close();
  await redis.stop();
});
/** Whatever it was: it serves again by itself, and what is charged is what the server saw, and nothing is held. */
afterEach(async () => {
  way.toServer(undefined);
  way.toClient(undefined);
  way.refuse(false);
  await vi.waitFor(async () => expect((await call()).status).toBe(200), { timeout: recoveryMsMax, interval: 100 });
  await vi.waitFor(
    async () => {
      const [budget] = await usage();
      expect({ spent: budget?.spent, held: budget?.held }).toEqual({ spent: upstream.calls('tools/call').length * price, held: 0 });
    },
    { timeout: holdMsMax + 8_000, interval: 200 },
  );
});

async function usage() {
  const key = await gate.authority.keyring.get(made.id);
  return key ? await gate.authority.ledger.usage({ key, ancestors: [], now: Date.now() }) : [];
}

let named = 0;
async function call(): Promise<{ status: number; json: Posted; ms: number; seen: number }> {
  named += 1;
  const tool = `tool_${named}`;
  const began = performance.now();
  const { status, json } = await post(`${gate.url}/mcp/up`, { key: made.key, body: toolCall(tool, {}, named) });
  const seen = upstream.calls('tools/call').filter(({ message }) => (message as { params: { name: string } }).params.name === tool).length;
  return { status, json, ms: performance.now() - began, seen };
}

/** Refused in time, and not sent. */
async function refused(): Promise<void> {
  for (const answer of await Promise.all(Array.from({ length: 4 }, call))) {
    expect(answer.json.error?.data).toMatchObject({ reason: 'STORE_UNAVAILABLE' });
    expect({ status: answer.status, seen: answer.seen }).toEqual({ status: 503, seen: 0 });
    expect(answer.ms).toBeLessThan(8_000);
  }
}

describe('between the gateway and Redis', () => {
  it('F10 delayed: calls pass, later, and each is charged once', async () => {
    way.toServer({ kind: 'delay', ms: 60 });
    way.toClient({ kind: 'delay', ms: 60 });
    const answers = await Promise.all(Array.from({ length: 8 }, call));
    expect(answers.map(({ status, seen }) => ({ status, seen }))).toEqual(answers.map(() => ({ status: 200, seen: 1 })));
    expect(Math.min(...answers.map(({ ms }) => ms))).toBeGreaterThan(110);
  });

  it('F11 half-open towards Redis: refused in time, nothing is sent', async () => {
    way.toServer({ kind: 'swallow' });
    await refused();
    await vi.waitFor(async () => expect((await fetch(`${gate.adminUrl}/readyz`)).status).toBe(503), { timeout: 8_000 });
  });

  it('F12 half-open from Redis, so commits are made and nobody hears of them: refused, nothing is sent, and nothing stays charged', async () => {
    way.toClient({ kind: 'swallow' });
    await refused();
  });

  it.each([
    ['F13 replies cut', { kind: 'cut', afterBytes: 200 }],
    ['F14 replies reset', { kind: 'reset', afterBytes: 200 }],
    ['F15 replies ended in their middle', { kind: 'truncate', afterBytes: 200 }],
    ['F16 commands reset in their middle', { kind: 'reset', afterBytes: 900 }],
  ] as const)('%s on every connection: each call passes or is refused, and is charged exactly where it was sent', async (name, fault) => {
    if (name.includes('commands')) way.toServer(fault);
    else way.toClient(fault);
    way.resetAll();
    for (let round = 0; round < 4; round += 1) {
      for (const { status, json, seen } of await Promise.all(Array.from({ length: 4 }, call))) {
        if (status === 200) expect(seen).toBe(1);
        else expect({ status, seen, reason: json.error?.data['reason'] }).toEqual({ status: 503, seen: 0, reason: 'STORE_UNAVAILABLE' });
      }
    }
  });

  it('F17 replies that drip: each call passes or is refused in time', async () => {
    way.toClient({ kind: 'drip', bytes: 8, everyMs: 20 });
    for (const { status, seen, ms } of await Promise.all(Array.from({ length: 4 }, call))) {
      expect([200, 503]).toContain(status);
      expect(seen).toBe(status === 200 ? 1 : 0);
      expect(ms).toBeLessThan(8_000);
    }
  });

  it('F18 connections closed at once: refused, not ready, nothing is sent', async () => {
    way.refuse(true);
    way.resetAll();
    await refused();
    await vi.waitFor(async () => expect((await fetch(`${gate.adminUrl}/readyz`)).status).toBe(503), { timeout: 8_000 });
  });
});
