import { answerOf, callBody, finish, keyedHeaders, plainHeaders } from './cost-stand.ts';
import { type Bench, cpu, type Found, rowsOf, type Table } from './cost-terms.ts';
import { openUp } from './cost-up.ts';
import { measure, type Way } from './measure.ts';
import { alternate, ratioOf, type Spread } from './spread.ts';

/** Beyond 256, calls wait in the gateway: no more are under way to one upstream unless it says so. */
const counts = [1, 8, 32, 128, 512];

/** Cost and latency against the number of connections, each with one call at a time. */
export async function measureConcurrency(bench: Bench): Promise<Found> {
  const { stand, wrong, pace } = bench;
  const { place, served, key, keyId } = await openUp(bench, { path: '/concurrency' });
  const relay = await stand.startRelay('/concurrency-relay');
  const body = callBody();
  const same = { body, answer: await answerOf({ url: stand.at('/concurrency-direct'), headers: plainHeaders, body }) };
  const ways: Way[] = [
    { name: 'relay', title: 'bare relay', url: `${relay.url}/mcp/up`, headers: plainHeaders, pids: [relay.pid], ...same },
    {
      name: 'gate',
      title: 'keygate',
      url: `${served.mcpUrl}/mcp/up`,
      headers: keyedHeaders(key),
      pids: [served.pid],
      adminUrl: served.adminUrl,
      ...same,
    },
  ];
  const tables: Table[] = [];
  const measurements: Record<string, Spread> = {};
  await alternate(ways, { ...pace, rounds: 0, wrong, measure: (way) => measure(way, { ...pace, connections: 32 }) });
  for (const connections of counts) {
    const warm = { calls: 0, seconds: 0 };
    const rounds = await alternate(ways, { ...pace, warming: warm, wrong, measure: (way) => measure(way, { ...pace, connections }) });
    measurements[`cpu.connections.${connections}/relay`] = ratioOf(rounds, 'gate', 'relay', cpu);
    tables.push({
      name: `connections-${connections}`,
      title: connections === 1 ? 'One connection' : `${connections} connections`,
      rows: rowsOf(ways, rounds, () => 'relay'),
    });
  }
  wrong.push(...(await finish({ place, served }, { keyIds: [keyId], priceMicros: 0, seen: await stand.seen('/concurrency') })));
  return { tables, measurements, absent: {} };
}
