import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, startBench } from '../support/bench.ts';
import { inSession, stateless } from '../support/eras.ts';
import { post } from '../support/post.ts';

let bench: Bench;
const rule = { scope: 'read:up' };
beforeAll(async () => {
  bench = await startBench({
    up: {
      tools: [],
      methods: [
        { match: 'vendor/reindex', ...rule },
        { match: 'vendor/render', ...rule, price: '0.05' },
        { match: 'vendor/erase', ...rule, when: 'key.name == "nobody"' },
        { match: 'vendor/pay', ...rule, stepUp: true },
      ],
    },
    mint: { scopes: ['manage'] },
  });
});
afterAll(() => bench.close());

describe.each([
  ['the session era', inSession],
  ['2026-07-28', stateless],
] as const)("in %s, a method of the operator's rules that is sent without an id", (_era, say) => {
  const tell = (method: string) => {
    const { body, headers } = say(method, {});
    const { id: _none, ...notification } = body as Record<string, unknown>;
    return post(bench.url, { key: bench.key, body: notification, headers });
  };

  it.each(['vendor/render', 'vendor/erase', 'vendor/pay'])('%s is refused: only a request can be paid for or judged', async (method) => {
    await bench.refused({ reason: 'INVALID_MESSAGE', id: null }, () => tell(method));
  });

  it('is on record like the request that it is, where its rule asks for scopes alone', async () => {
    expect((await tell('vendor/reindex')).status).toBe(202);
    await bench.settled();
    const records = (await bench.gate.journal()).filter(({ method }) => method === 'vendor/reindex');
    expect(records.slice(-2)).toMatchObject([
      { kind: 'call.intent', rule: 'up.methods[0]', held: '0' },
      { kind: 'call.outcome', rule: 'up.methods[0]', charged: '0' },
    ]);
  });
});
