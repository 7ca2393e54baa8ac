import { answerOf, callBody, finish, keyedHeaders, plainHeaders } from './cost-stand.ts';
import { type Bench, cpu, type Found, rowsOf } from './cost-terms.ts';
import { openUp } from './cost-up.ts';
import { measure, type Way } from './measure.ts';
import { alternate, ratioOf } from './spread.ts';

const counts = [1, 10, 1_000];
const connections = 32;

/** Cost against the number of an upstream's rules, where the last of them is the one that matches: all before it are looked at, or would be. */
export async function measureRules(bench: Bench): Promise<Found> {
  const { stand, wrong, pace } = bench;
  const others = (count: number) =>
    Array.from({ length: count - 1 }, (_, nth) => ({
      match: [`other_${nth}_*`, `more_${nth}`],
      scope: `read:other_${nth}`,
      price: '0.001',
    }));
  const upstreams = Object.fromEntries(
    counts.map((count) => {
      const tools = [...others(count), { match: 'time*', scope: 'read:up' }];
      return [`rules${count}`, { url: stand.at(`/rules-${count}`), environment: 'live', tools }];
    }),
  );
  const { place, served, key, keyId } = await openUp(bench, { path: '', upstreams });
  const body = callBody();
  const same = { body, answer: await answerOf({ url: stand.at('/rules-direct'), headers: plainHeaders, body }) };
  const relay = await stand.startRelay('/rules-relay');
  const ways: Way[] = [
    { name: 'relay', title: 'bare relay', url: `${relay.url}/mcp/up`, headers: plainHeaders, pids: [relay.pid], ...same },
    ...counts.map((count) => ({
      ...{ name: `rules-${count}`, title: `keygate, ${count} rules`, url: `${served.mcpUrl}/mcp/rules${count}`, ...same },
      ...{ headers: keyedHeaders(key), pids: [served.pid], adminUrl: served.adminUrl },
    })),
  ];
  const rounds = await alternate(ways, { ...pace, wrong, measure: (way) => measure(way, { ...pace, connections }) });
  const seen = (await Promise.all(counts.map((count) => stand.seen(`/rules-${count}`)))).reduce((sum, one) => sum + one, 0);
  wrong.push(...(await finish({ place, served }, { keyIds: [keyId], priceMicros: 0, seen })));
  return {
    tables: [{ name: 'rules', title: `Rules of the upstream, ${connections} connections`, rows: rowsOf(ways, rounds, () => 'relay') }],
    measurements: {
      'cpu.rules.10/1': ratioOf(rounds, 'rules-10', 'rules-1', cpu),
      'cpu.rules.1000/1': ratioOf(rounds, 'rules-1000', 'rules-1', cpu),
    },
    absent: {},
  };
}
