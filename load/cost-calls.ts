import { formatMicros } from '../src/domain/money.ts';
import type { Place, Served } from '../test/process/served.ts';
import { startRedis } from '../test/support/redis-server.ts';
import { checkCalls } from './correct.ts';
import { answerOf, callBody, finish, keyedHeaders, plainHeaders } from './cost-stand.ts';
import { type Bench, cpu, type Found, rowsOf, type Table } from './cost-terms.ts';
import { type Measured, measure, residentBytes, type Way } from './measure.ts';
import { requireNginx, startNginx } from './nginx.ts';
import { alternate, type Rounds, ratioOf, type Spread, spreadOf } from './spread.ts';
import { measureSteady } from './steady.ts';

const connections = 32;
export const priceMicros = 10_000;
/** Looked at one by one, with a key whose budget pays for fewer. */
const checked = { calls: 400, affordable: 300 } as const;
const steadyRate = 500;

/** A gateway with a key for prices and one without a limit, on one store. */
interface Gate {
  readonly kind: 'lmdb' | 'redis';
  readonly place: Place;
  readonly served: Served;
  readonly priced: string;
  readonly free: string;
  /** Of the keys that have a budget. */
  readonly keyIds: readonly string[];
  readonly restBytes: number;
  readonly storePid?: number;
}

/** What a call costs on every way, at saturation and at fixed rates. The first part of a run; the only one of a smoke, which asks for less of it. */
export async function measureCalls(
  bench: Bench,
  options: { redis: boolean; nginx: boolean; rates: boolean; only?: readonly string[] },
): Promise<Found> {
  const { stand, wrong } = bench;
  const gates = [await openGate(bench, 'lmdb')];
  if (options.redis) gates.push(await openGate(bench, 'redis'));
  const { ways: open, absent } = await openWays(bench, gates, options.nginx);
  const ways = open.filter(({ name }) => options.only?.includes(name) ?? true);
  const { pace } = bench;
  const full = await alternate(ways, { ...pace, wrong, measure: (way) => measure(way, { connections, seconds: pace.seconds }) });
  const tables: Table[] = [
    {
      name: 'saturation',
      title: `At saturation: ${connections} connections, each with one call at a time`,
      rows: rowsOf(ways, full, () => 'relay'),
    },
  ];
  const measurements: Record<string, Spread> = ratiosAt(full);
  if (options.rates) {
    const half = Math.round(Math.min(...gates.map(({ kind }) => medianRate(full.get(kind)))) / 2);
    for (const rate of new Set([steadyRate, half])) {
      const rounds = await alternate(ways, {
        ...{ rounds: pace.rounds, warming: { calls: 0, seconds: 0 }, wrong },
        measure: (way) => measureSteady(way, { rate, seconds: pace.seconds * 2 }),
      });
      const title = rate === steadyRate ? `At ${rate} calls a second` : `At ${rate} calls a second, half of what the slowest gateway can`;
      tables.push({ name: `rate-${rate === steadyRate ? rate : 'half'}`, title, rows: rowsOf(ways, rounds, () => 'relay') });
      if (rate === steadyRate) Object.assign(measurements, addedAt(rounds));
    }
  }
  for (const { kind, restBytes } of gates) measurements[`rest.${kind}.bytes`] = spreadOf([restBytes]);
  for (const { kind, keyIds, place, served } of gates) {
    const [priced, free] = [await stand.seen(`/${kind}`), await stand.seen(`/${kind}-free`)];
    const found = await finish({ place, served }, { keyIds, priceMicros, seen: priced + free, priced });
    wrong.push(...found.map((each) => `${kind}: ${each}`));
  }
  return { tables, measurements, absent };
}

async function openGate({ stand, wrong }: Bench, kind: Gate['kind']): Promise<Gate> {
  const redis = kind === 'redis' ? await startRedis({ appendonly: 'everysec', args: ['--auto-aof-rewrite-percentage', '0'] }) : undefined;
  if (redis) stand.onClose(() => redis.stop());
  const price = formatMicros(priceMicros);
  const up = (path: string, more: object) => ({
    ...{ url: stand.at(path), environment: 'live' },
    tools: [{ match: '*', scope: 'read:up', ...more }],
  });
  const place = await stand.preparePlace({
    ...(redis && { store: redis.url, journal: { archive: './archive' } }),
    upstreams: { up: up(`/${kind}`, { price }), free: up(`/${kind}-free`, {}) },
  });
  const budget = (amount: string) => ({ scopes: ['read:up'], budgets: [{ amount, per: 'total' }] });
  const looked = await place.mint(budget(formatMicros(checked.affordable * priceMicros)));
  const priced = await place.mint(budget('1000000'));
  const free = await place.mint({ scopes: ['read:up'] });
  const served = await stand.serve(place);
  const restBytes = residentBytes(served.pid);
  wrong.push(...(await checkCalls({ url: `${served.mcpUrl}/mcp/up`, key: looked.key, ...checked })));
  return {
    ...{ kind, place, served, restBytes, priced: priced.key, free: free.key, keyIds: [looked.id, priced.id] },
    ...(redis && { storePid: redis.pid }),
  };
}

async function openWays({ stand }: Bench, gates: readonly Gate[], nginx: boolean): Promise<{ ways: Way[]; absent: Found['absent'] }> {
  const relay = await stand.startRelay('/relay');
  const body = callBody();
  const direct = { name: 'direct', title: 'no relay at all', url: stand.at('/direct'), headers: plainHeaders, body, pids: [] };
  // Whatever stands in between, the answer is the server's, to the byte.
  const same = { body, answer: await answerOf(direct) };
  const ways: Way[] = [
    { ...direct, ...same },
    {
      name: 'relay',
      title: 'bare relay (Hono and undici, no checks)',
      url: `${relay.url}/mcp/up`,
      headers: plainHeaders,
      ...same,
      pids: [relay.pid],
    },
  ];
  const missing = nginx ? await requireNginx() : 'it was not asked for';
  if (missing === undefined) {
    const key = gates[0]?.priced ?? '';
    const started = await startNginx({ upstream: stand.at('/nginx'), key });
    stand.onClose(() => started.close());
    const at = (path: string) => ({ url: `${started.url}/${path}`, headers: keyedHeaders(key), ...same, pids: [started.pid] });
    ways.push({ name: 'nginx', title: `${started.version}, reverse proxy`, ...at('plain') });
    ways.push({ name: 'nginx-key', title: `${started.version}, with a check of one key`, ...at('keyed') });
  }
  for (const { kind, served, priced, free, storePid } of gates) {
    const { pid, mcpUrl, adminUrl } = served;
    const at = { ...same, pids: [pid], adminUrl, ...(storePid !== undefined && { storePid }) };
    const store = kind === 'lmdb' ? 'LMDB' : 'Redis';
    ways.push({
      name: kind,
      title: `keygate on ${store}, priced and durable`,
      url: `${mcpUrl}/mcp/up`,
      headers: keyedHeaders(priced),
      ...at,
    });
    const without = `keygate on ${store}, without a price`;
    ways.push({ name: `${kind}-free`, title: without, url: `${mcpUrl}/mcp/free`, headers: keyedHeaders(free), ...at });
  }
  return { ways, absent: missing === undefined ? {} : { 'cpu.lmdb/nginx': missing } };
}

/** Processor time of the ways as multiples of each other. */
function ratiosAt(rounds: Rounds): Record<string, Spread> {
  const found: Record<string, Spread> = {};
  for (const way of ['lmdb', 'lmdb-free', 'redis', 'redis-free', 'nginx', 'nginx-key']) {
    if (rounds.has(way)) found[`cpu.${way}/relay`] = ratioOf(rounds, way, 'relay', cpu);
  }
  if (rounds.has('nginx')) found['cpu.lmdb/nginx'] = ratioOf(rounds, 'lmdb', 'nginx', cpu);
  const servers = (rounds.get('redis') ?? []).map(
    ({ storeCpuPerCall = Number.NaN }, at) => storeCpuPerCall / (rounds.get('relay')?.[at]?.cpuPerCall ?? Number.NaN),
  );
  if (servers.length > 0) found['cpu.redis-server/relay'] = spreadOf(servers);
  return found;
}

/** What the gate adds to the relay's latency, as multiples of the relay's own median, each in one round. */
function addedAt(rounds: Rounds): Record<string, Spread> {
  const relay = rounds.get('relay') ?? [];
  const added = (of: (one: Measured) => number) =>
    spreadOf(
      (rounds.get('lmdb') ?? []).map((one, at) => {
        const base = relay[at];
        return base ? (of(one) - of(base)) / base.p50 : Number.NaN;
      }),
    );
  return { 'added.p50@500/relay': added(({ p50 }) => p50), 'added.p99@500/relay': added(({ p99 }) => p99) };
}

function medianRate(measured: readonly Measured[] = []): number {
  return spreadOf(measured.map(({ callsPerSecond }) => callsPerSecond)).median;
}
