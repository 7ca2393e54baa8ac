import { afterEach, describe, expect, it } from 'vitest';
import { simulatedPolicy } from '../simulation/policy.ts';
import { post, toolCall } from '../support/post.ts';
import { judgeBody, runBodies } from './bodies.ts';
import { readFixtures } from './fixture.ts';
import { createJudge, judgeHeard } from './judge.ts';
import { caseOf, replay, runFuzz } from './run.ts';
import { type FuzzStand, startFuzzStand, upstreamSecret } from './stand.ts';

const smokeCases = 720;
const smokeMs = 6_000;

let stand: FuzzStand | undefined;
afterEach(async () => {
  await stand?.close();
  stand = undefined;
});

describe('A07: mutated traffic', () => {
  it('a few hundred cases, other ones each time: the process lives, and what reached a server was read alike, allowed and on record', async () => {
    const seed = Date.now() % 1_000_000;
    console.log(`fuzz.test: seed ${seed}; npm run fuzz -- --seed ${seed} --cases ${smokeCases} sends the same`);
    const { statuses, failure } = await runFuzz({ seed, casesMax: smokeCases, msMax: smokeMs });
    expect(failure).toBeUndefined();
    // Cases get past the first look: some are served, some are refused in the ways there are.
    for (const status of ['200', '400', '401']) expect(statuses.get(status) ?? 0, status).toBeGreaterThan(0);
  });

  it('what once went wrong does so no more', async () => {
    const fixtures = readFixtures();
    expect(fixtures.length).toBeGreaterThan(0);
    expect(await replay(fixtures.flatMap(({ cases }) => cases))).toEqual([]);
  });

  it('a seed draws the same cases again, and another one others', () => {
    const drawn = (seed: number) => Array.from({ length: 200 }, (_, nth) => caseOf(seed, nth));
    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(7)).not.toEqual(drawn(8));
  });
});

describe('A07: mutated bodies, without a network', () => {
  const bodies = 20_000;

  it(`${bodies}, other ones each time: all are read as an independent parser reads them, and what is read goes on as it is`, async () => {
    const seed = Date.now() % 1_000_000;
    const { policy } = await simulatedPolicy();
    const { verdicts, wrong } = await runBodies({ seed, from: 0, count: bodies }, policy);
    console.log(`fuzz.test: seed ${seed}; npm run fuzz -- --seed ${seed} --bodies ${bodies} takes the same`);
    expect(wrong).toEqual([]);
    // All that there is was met, and often.
    for (const verdict of ['request', 'notification', 'element', 'PARSE_ERROR', 'INVALID_MESSAGE'])
      expect(verdicts[verdict] ?? 0, verdict).toBeGreaterThan(bodies / 200);
  });

  it('notices a body that is read in another way', async () => {
    const { policy } = await simulatedPolicy();
    // The scan allows so much less here that what the other parser takes is refused.
    const strict = { ...policy, limits: { ...policy.limits, jsonDepthMax: 1 } };
    const said = () => undefined;
    const body = Buffer.from(JSON.stringify(toolCall('tool_0')));
    expect(await judgeBody(body, { policy, said })).toBeUndefined();
    expect(await judgeBody(body, { policy: strict, said })).toMatch(/^"INVALID_MESSAGE" and \{"kind":"request"/);
  });
});

describe('the judge', () => {
  it('notices what reaches a server without being on record, or as no message', async () => {
    stand = await startFuzzStand();
    const judge = createJudge(stand);
    expect(await judge()).toEqual([]);
    const [upstream] = stand.upstreams;
    const headers = { authorization: `Bearer ${upstreamSecret}` };
    await post(upstream?.url ?? '', { body: toolCall('tool_0'), headers });
    expect(await judge()).toEqual([expect.stringMatching(/^I1: not on record: POST \/mcp/)]);
    await post(upstream?.url ?? '', { body: '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', headers });
    expect(await judge()).toEqual([expect.stringMatching(/^I4: INVALID_MESSAGE reached a server/)]);
    await post(upstream?.url ?? '', { body: { jsonrpc: '2.0', id: 1, method: 'ping' }, headers: { authorization: 'Bearer another' } });
    expect(await judge()).toEqual([expect.stringMatching(/^A10: other credentials/)]);
  });

  it('notices a process that is gone', async () => {
    stand = await startFuzzStand();
    const judge = createJudge(stand);
    stand.gate.kill('SIGKILL');
    await stand.gate.exited;
    expect((await judge())[0]).toMatch(/^a valid call: /);
  });

  it('notices a 500, a credential in an answer, and an answer that is no HTTP', () => {
    expect(judgeHeard({ text: 'HTTP/1.1 500 Internal Server Error\r\n', statuses: [500] })).toEqual(['500']);
    expect(judgeHeard({ text: `HTTP/1.1 200 OK\r\n\r\n${upstreamSecret}`, statuses: [200] })).toHaveLength(1);
    expect(judgeHeard({ text: 'garbage', statuses: [] })).toHaveLength(1);
  });
});
