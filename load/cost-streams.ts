import { setTimeout as pause } from 'node:timers/promises';
import { answerOf, callBody, finish, keyedHeaders } from './cost-stand.ts';
import { type Bench, type Found, rowsOf } from './cost-terms.ts';
import { openUp } from './cost-up.ts';
import { anonymousBytes, type Measured, measure, type Way } from './measure.ts';
import { alternate, type Spread, spreadOf, spreadOver } from './spread.ts';
import { measureSteady } from './steady.ts';

/** For the gateway to do what it does after streams have opened or closed, before anything is read. */
const settleMs = 3_000;
const rate = 500;
/** Of which nothing is measured. */
const firstStreams = 50;

/** What an idle stream holds in memory, and what thousands of them do to the calls beside them. */
export async function measureStreams(bench: Bench, counts: readonly number[]): Promise<Found> {
  const { stand, wrong, pace } = bench;
  const stub = await stand.startProgram('stream-stub.ts', { ready: /listening on \d+/ });
  const [, port] = await stub.printed(/listening on (\d+)/);
  const tools = [{ match: '*', scope: 'read:up' }];
  // Whoever answers the calls holds no streams: what is measured is what they do to the gateway.
  const upstreams = {
    up: { url: stand.at('/beside'), environment: 'live', tools },
    streams: { url: `http://127.0.0.1:${port}/mcp`, environment: 'live', tools },
  };
  const most = Math.max(...counts);
  const settings = { limits: { streamsMax: 2 * most, streamsPerKeyMax: 2 * most } };
  const { place, served, key, keyId } = await openUp(bench, { path: '', upstreams, settings });
  const url = `${served.mcpUrl}/mcp/up`;
  const called = { url, headers: keyedHeaders(key), body: callBody() };
  const way = (name: string, title: string): Way => ({ name, title, ...called, answer, pids: [served.pid], adminUrl: served.adminUrl });
  const answer = await answerOf(called);

  const holders: { end(): Promise<void> }[] = [];
  const hold = async (count: number): Promise<void> => {
    const args = [`${served.mcpUrl}/mcp/streams`, String(count)];
    holders.push(await stand.startProgram('stream-holder.ts', { ready: /^open$/m, args, env: { KEYGATE_KEY: key } }));
  };
  const letGo = async (): Promise<void> => {
    for (const each of holders.splice(0)) await each.end();
  };
  await hold(firstStreams);
  // What the first streams bring with them, such as compiled code, is not theirs; nor is what the calls leave behind.
  await letGo();
  await alternate([way('warm', '')], { ...pace, rounds: 0, wrong, measure: (one) => measure(one, { ...pace, connections: 32 }) });
  const ways: Way[] = [];
  const rounds = new Map<string, readonly Measured[]>();
  const measurements: Record<string, Spread> = {};
  const beside = async (name: string, title: string): Promise<void> => {
    const one = way(name, title);
    const cold = { warming: { calls: 0, seconds: 0 }, wrong, rounds: pace.rounds };
    const measured = await alternate([one], { ...cold, measure: (each) => measureSteady(each, { rate, seconds: pace.seconds * 2 }) });
    ways.push(one);
    rounds.set(name, measured.get(name) ?? []);
  };
  await beside('streams-0', 'no streams');
  await pause(settleMs);
  const before = anonymousBytes(served.pid);
  // No call between the readings, so that what calls leave behind is not taken for a stream's.
  let open = 0;
  for (const count of counts) {
    await hold(count - open);
    open = count;
    await pause(settleMs);
    measurements[`stream.${count}.bytes`] = spreadOf([(anonymousBytes(served.pid) - before) / count]);
  }
  await beside(`streams-${most}`, `${most} idle streams`);
  await letGo();
  await pause(settleMs);
  await beside('streams-gone', 'no streams again');
  wrong.push(...(await finish({ place, served }, { keyIds: [keyId], priceMicros: 0, seen: await stand.seen('/beside') })));

  // The calls without streams before and after, since all else that the machine does changes meanwhile.
  const without = spreadOf([...(rounds.get('streams-0') ?? []), ...(rounds.get('streams-gone') ?? [])].map(({ p99 }) => p99)).median;
  const beneath = rounds.get(`streams-${most}`) ?? [];
  measurements[`p99.streams.${most}/0`] = spreadOver(beneath.length, (round) => (beneath[round]?.p99 ?? Number.NaN) / without);
  const rows = rowsOf(ways, rounds, () => undefined);
  return { tables: [{ name: 'streams', title: `Idle SSE streams beside ${rate} calls a second`, rows }], measurements, absent: {} };
}
