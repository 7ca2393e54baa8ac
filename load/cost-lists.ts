import { answerOf, callBody, finish, keyedHeaders, plainHeaders } from './cost-stand.ts';
import { type Bench, type Found, rowsOf } from './cost-terms.ts';
import { openUp } from './cost-up.ts';
import { measure, type Way } from './measure.ts';
import { alternate, type Spread, spreadOver } from './spread.ts';

const counts = [10, 100, 1_000];
const connections = 8;

/** Cost of a list of tools of which the key may see every other one, against the length of the list. */
export async function measureLists(bench: Bench): Promise<Found> {
  const { stand, wrong, pace } = bench;
  const tools = [
    { match: 'get_*', scope: 'read:up' },
    { match: 'timed', scope: 'read:up' },
    { match: 'set_*', scope: 'trade:up' },
  ];
  const paths = Object.fromEntries(counts.map((count) => [`list${count}`, stand.at(`/list-${count}`)]));
  const upstreams = Object.fromEntries(Object.entries(paths).map(([name, url]) => [name, { url, environment: 'live', tools }]));
  const { place, served, key, keyId } = await openUp(bench, { path: '', upstreams });
  const list = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} });
  const call = callBody();
  const ways: Way[] = [];
  const add = async (name: string, { title, count, body }: { title: string; count: number; body: string }): Promise<void> => {
    const relay = await stand.startRelay(`/list-relay-${count}`);
    const plain = { url: `${relay.url}/mcp/up`, headers: plainHeaders, body };
    ways.push({ name: `relay ${name}`, title: `bare relay, ${title}`, ...plain, answer: await answerOf(plain), pids: [relay.pid] });
    const gate = { url: `${served.mcpUrl}/mcp/list${count}`, headers: keyedHeaders(key), body };
    const answer = await answerOf(gate);
    if (body === list) wrong.push(...misfiltered(answer, count));
    ways.push({ name: `gate ${name}`, title: `keygate, ${title}`, ...gate, answer, pids: [served.pid], adminUrl: served.adminUrl });
  };
  await add('call', { title: 'a plain call', count: 10, body: call });
  for (const count of counts) await add(`list-${count}`, { title: `a list of ${count}`, count, body: list });
  const warming = { calls: 1_000, seconds: 3 };
  // The usual call first: what a size or a list costs is not to be told from what is still being compiled.
  await alternate(ways.slice(0, 2), { ...pace, rounds: 0, wrong, measure: (way) => measure(way, { ...pace, connections: 32 }) });
  const rounds = await alternate(ways, { ...pace, warming, wrong, measure: (way) => measure(way, { ...pace, connections }) });
  const seen = (await Promise.all(counts.map((count) => stand.seen(`/list-${count}`)))).reduce((sum, one) => sum + one, 0);
  wrong.push(...(await finish({ place, served }, { keyIds: [keyId], priceMicros: 0, seen })));

  const costs = (name: string, round: number) => rounds.get(name)?.[round]?.cpuPerCall ?? Number.NaN;
  const added = (name: string, round: number) => costs(`gate ${name}`, round) - costs(`relay ${name}`, round);
  const measurements: Record<string, Spread> = {};
  for (const count of counts) {
    // Beyond what a plain call costs more than a relayed one: what is left is the filtering.
    const filtering = (round: number) => added(`list-${count}`, round) - added('call', round);
    measurements[`list.${count}.filter/relay`] = spreadOver(pace.rounds, (round) => filtering(round) / costs('relay call', round));
    measurements[`list.${count}.filter.micros`] = spreadOver(pace.rounds, filtering);
  }
  const rows = rowsOf(ways, rounds, (name) => name.replace('gate ', 'relay '));
  return { tables: [{ name: 'tools', title: `Tools in a filtered list, ${connections} connections`, rows }], measurements, absent: {} };
}

/** A list that is quick and wrong is no result. */
function misfiltered(answer: string, count: number): string[] {
  const { result } = JSON.parse(answer) as { result: { tools: { name: string }[] } };
  const names = result.tools.map(({ name }) => name);
  const right = names.length === count / 2 && names.every((name) => name.startsWith('get_'));
  return right ? [] : [`a list of ${count} tools was filtered to ${names.length}, or to the wrong ones`];
}
