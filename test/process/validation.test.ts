import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLog } from '../../src/adapters/log.ts';
import { createThrottle } from '../../src/adapters/throttle.ts';
import { createToolPins } from '../../src/adapters/tool-pins/tool-pins.ts';
import { createSeal } from '../../src/domain/seal.ts';
import type { Reply } from '../../src/ports/reply.ts';
import { authenticate } from '../../src/stages/authenticate.ts';
import { authorize } from '../../src/stages/authorize.ts';
import { locate } from '../../src/stages/locate.ts';
import type { Arrived, Authorized } from '../../src/stages/reached.ts';
import { receive } from '../../src/stages/receive.ts';
import { understand } from '../../src/stages/understand.ts';
import { systemClock } from '../../src/system-clock.ts';
import { startTestGateway, type TestGateway, upstreamConfig } from '../support/gateway.ts';
import { toolCall } from '../support/post.ts';

const p95MsMax = 1;
const warming = 1_000;
const measured = 5_000;

let gate: TestGateway;
let key: string;
beforeAll(async () => {
  const rules = Array.from({ length: 50 }, (_, n) => ({ match: [`other_${n}_*`, `more_${n}`], scope: `read:other_${n}`, price: '0.001' }));
  const judged = { match: 'write_*', scope: 'trade:up', price: '0.05', when: 'args.title != "Home" && size(args.text) < 4096' };
  gate = await startTestGateway({ upstreams: { up: upstreamConfig('http://127.0.0.1:9/mcp', { tools: [...rules, judged] }) } });
  // Other keys, so that the store and the cache are not empty but for one.
  for (let n = 0; n < 50; n += 1) await gate.mint({ scopes: ['read'] });
  const limits = {
    budgets: [{ amount: '5', per: 'day' }],
    rate: { calls: 1_000_000, perSeconds: 1 },
    addresses: ['127.0.0.0/8'],
    tools: ['write_*'],
  };
  ({ key } = await gate.mint({ scopes: ['trade', 'read:up', 'org:acme'], ...limits }));
});
afterAll(() => gate.close());

it('validation with a warm cache adds less than 1 ms at the 95th percentile', async () => {
  const { config, composed } = gate.gateway;
  const ports = {
    callers: composed.callers,
    stepUp: composed.stepUp,
    throttle: createThrottle(),
    seal: createSeal({ secrets: config.keys.seal, random: randomBytes }),
    // The reads of this gateway's own pins, where a pin is known.
    toolPins: createToolPins({
      pins: composed.store.pins,
      duties: composed.duties,
      clock: systemClock,
      log: createLog({ level: 'silent' }),
    }),
    catalogue: { annotationsOf: () => Promise.reject(new Error('written rules need no catalogue')) },
  };
  /** The stages as gateway.ts composes them, the scan of the body included, up to the point where the store would commit. */
  const validate = async (arrived: Arrived): Promise<Authorized> => {
    const received = await receive(arrived);
    const located = await locate(ports, await authenticate(ports, received));
    return authorize(ports, understand(ports, located));
  };
  const took: number[] = [];
  for (let n = 0; n < warming + measured; n += 1) {
    const arrived = arrive(n);
    const began = performance.now();
    const authorized = await validate(arrived);
    const ms = performance.now() - began;
    if (n >= warming) took.push(ms);
    expect(authorized).toMatchObject({ price: 50_000, counts: true, subject: { tool: `write_${n}` } });
  }
  took.sort((one, other) => one - other);
  const at = (share: number) => took[Math.floor(took.length * share)] ?? Number.NaN;
  console.log(
    `validation: p50 ${at(0.5).toFixed(3)} ms, p95 ${at(0.95).toFixed(3)} ms, p99 ${at(0.99).toFixed(3)} ms over ${measured} calls`,
  );
  expect(at(0.95)).toBeLessThan(p95MsMax);
});

function arrive(n: number): Arrived {
  const body = Buffer.from(JSON.stringify(toolCall(`write_${n}`, { title: `Page ${n}`, text: 'x'.repeat(300), tags: ['a', 'b'] }, n)));
  const headers = {
    host: '127.0.0.1:8080',
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'content-length': String(body.length),
    'mcp-protocol-version': '2025-11-25',
  };
  return {
    requestId: `request-${n}`,
    at: Date.now(),
    began: performance.now(),
    verb: 'POST',
    httpVersion: '1.1',
    path: '/mcp/up',
    headers,
    rawHeaders: Object.entries(headers).flat(),
    address: '127.0.0.1',
    readBody: () => Promise.resolve(body),
    reply: silent,
    draining: false,
    policy: gate.gateway.composed.policy(),
  };
}

/** Validation answers nobody: a stage that would is a mistake. */
const silent: Reply = {
  closed: false,
  headSent: false,
  carry: () => undefined,
  head: mistaken,
  write: mistaken,
  end: mistaken,
  cut: mistaken,
  onGone: mistaken,
  onDrain: mistaken,
};

function mistaken(): never {
  throw new Error('a stage before admit answered the client itself');
}
