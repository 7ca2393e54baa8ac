import { answerOf, callBody, finish, keyedHeaders, plainHeaders } from './cost-stand.ts';
import { type Bench, cpu, type Found, rowsOf } from './cost-terms.ts';
import { openUp } from './cost-up.ts';
import { measure, type Way } from './measure.ts';
import { alternate, ratioOf, type Spread, spreadOver } from './spread.ts';

const kilobyte = 1_000;
/** Of the text in a request, or in an answer; about 100 bytes more are around each. */
const sizes = [200, 10 * kilobyte, 100 * kilobyte, 1_000 * kilobyte];
const connections = 8;
/** How many times as often as all else what an answer adds is measured. */
const addedRounds = 2;
/** JSON.parse is timed in the same process as the load, often enough to be compiled. */
const parseTimes = 2_000;

/** Cost against the size of requests and of answers; and what a 100 KB answer costs beside a parse of it. */
export async function measureBodies(bench: Bench): Promise<Found> {
  const { stand, wrong, pace } = bench;
  const { place, served, key, keyId } = await openUp(bench, { path: '/bodies' });
  const relay = await stand.startRelay('/bodies-relay');
  const settings = sizes.flatMap((bytes) => [
    { name: `request-${bytes}`, title: `a request of ${sizeName(bytes)}`, body: callBody({ textBytes: bytes }) },
    { name: `answer-${bytes}`, title: `an answer of ${sizeName(bytes)}`, body: callBody({ answerBytes: bytes }) },
  ]);
  const ways: Way[] = [];
  for (const { name, title, body } of settings) {
    const answer = await answerOf({ url: stand.at('/bodies-direct'), headers: plainHeaders, body });
    const same = { body, answer };
    const through = `${relay.url}/mcp/up`;
    ways.push({ name: `relay ${name}`, title: `bare relay, ${title}`, url: through, headers: plainHeaders, pids: [relay.pid], ...same });
    const { mcpUrl, pid, adminUrl } = served;
    const gate = { url: `${mcpUrl}/mcp/up`, headers: keyedHeaders(key), pids: [pid], adminUrl, ...same };
    ways.push({ name: `gate ${name}`, title: `keygate, ${title}`, ...gate });
  }
  // The usual call first: what a size or a list costs is not to be told from what is still being compiled.
  await alternate(ways.slice(0, 2), { ...pace, rounds: 0, wrong, measure: (way) => measure(way, { ...pace, connections: 32 }) });
  const rounds = await alternate(ways, {
    ...pace,
    warming: { calls: 1_000, seconds: 3 },
    wrong,
    measure: (way) => measure(way, { ...pace, connections }),
  });
  const four = ['gate answer-100000', 'gate answer-200', 'relay answer-100000', 'relay answer-200'] as const;
  // One right after the other, and more often: what two ways add to each other is a small part of what each of them takes.
  const close = await alternate(
    ways.filter(({ name }) => four.some((each) => each === name)),
    {
      ...{ rounds: addedRounds * pace.rounds, warming: { calls: 0, seconds: 0 }, wrong },
      measure: (way) => measure(way, { ...pace, connections }),
    },
  );
  wrong.push(...(await finish({ place, served }, { keyIds: [keyId], priceMicros: 0, seen: await stand.seen('/bodies') })));

  const measurements: Record<string, Spread> = {};
  for (const { name } of settings) measurements[`body.${name}/relay`] = ratioOf(rounds, `gate ${name}`, `relay ${name}`, cpu);
  const parse = parseMicros(ways.find(({ name }) => name === 'gate answer-100000')?.answer ?? '');
  const of = (name: (typeof four)[number], round: number) => close.get(name)?.[round]?.cpuPerCall ?? Number.NaN;
  measurements['answer.100KB.added/parse'] = spreadOver(addedRounds * pace.rounds, (round) => {
    const [large, small, relayLarge, relaySmall] = four.map((name) => of(name, round)) as [number, number, number, number];
    return (large - small - (relayLarge - relaySmall)) / parse;
  });
  return {
    tables: [
      {
        name: 'body',
        title: `Size of requests and answers, ${connections} connections`,
        rows: rowsOf(ways, rounds, (name) => name.replace('gate ', 'relay ')),
      },
    ],
    ...{ measurements, absent: {} },
  };
}

/** What one JSON.parse of a text takes, in microseconds. */
function parseMicros(text: string): number {
  let parsed: unknown;
  const time = () => {
    const began = performance.now();
    for (let nth = 0; nth < parseTimes; nth += 1) parsed = JSON.parse(text);
    return ((performance.now() - began) * 1_000) / parseTimes;
  };
  time();
  const micros = time();
  if (parsed === undefined) throw new Error('nothing was parsed');
  return micros;
}

function sizeName(bytes: number): string {
  if (bytes >= 1_000 * kilobyte) return `${bytes / 1_000 / kilobyte} MB`;
  return bytes >= kilobyte ? `${bytes / kilobyte} KB` : '300 B';
}
