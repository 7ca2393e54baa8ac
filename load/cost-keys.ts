import { createKnownCallers } from '../src/adapters/callers/known-callers.ts';
import type { Micros } from '../src/domain/money.ts';
import { systemClock } from '../src/system-clock.ts';
import type { Place, Served } from '../test/process/served.ts';
import { fillKeys, type KnownKey, withStore } from './bulk-keys.ts';
import { answerOf, callBody, finish, keyedHeaders, plainHeaders } from './cost-stand.ts';
import { type Bench, cpu, type Found, rowsOf } from './cost-terms.ts';
import { measure, type Way } from './measure.ts';
import { alternate, type Rounds, ratioOf, type Spread, spreadOver } from './spread.ts';

const connections = 32;
const budget = { amount: 1_000_000_000_000 as Micros, per: 'total', zone: 'UTC' } as const;
const priceMicros = 10_000;
/** Keys whose first validation is timed, in a process that has seen none of them; and how often known ones are validated. */
const validated = { cold: 5_000, warm: 200, times: 100 } as const;

interface Filled {
  readonly count: number;
  readonly place: Place;
  readonly served: Served;
  readonly keys: readonly KnownKey[];
}

/** Cost against the number of keys in the embedded store, and how long the validation of a key takes, known and not. */
export async function measureKeys(bench: Bench, counts: readonly number[]): Promise<Found> {
  const { stand, wrong, pace } = bench;
  const filled: Filled[] = [];
  for (const count of counts) filled.push(await fill(bench, count));
  const body = callBody();
  const answer = await answerOf({ url: stand.at('/keys-direct'), headers: plainHeaders, body });
  const relay = await stand.startRelay('/keys-relay');
  const same = { body, answer };
  const ways: Way[] = [
    { name: 'relay', title: 'bare relay', url: `${relay.url}/mcp/up`, headers: plainHeaders, pids: [relay.pid], ...same },
    ...filled.map(({ count, served, keys }) => ({
      ...{ name: `keys-${count}`, title: `keygate, ${count} keys in the store`, url: `${served.mcpUrl}/mcp/up`, ...same },
      ...{ headers: keyedHeaders(keys[0]?.key ?? ''), pids: [served.pid], adminUrl: served.adminUrl },
    })),
  ];
  const rounds = await alternate(ways, { ...pace, wrong, measure: (way) => measure(way, { ...pace, connections }) });
  for (const { count, place, served, keys } of filled) {
    const sums = { keyIds: keys.slice(0, 1).map(({ id }) => id), priceMicros, seen: await stand.seen(`/keys-${count}`) };
    wrong.push(...(await finish({ place, served }, sums)));
  }
  const [least = 1] = counts;
  const most = filled.at(-1);
  const measurements: Record<string, Spread> = { ...(most && (await validation(most, rounds))) };
  for (const count of counts.slice(1)) measurements[`cpu.keys.${count}/${least}`] = ratioOf(rounds, `keys-${count}`, `keys-${least}`, cpu);
  const rows = rowsOf(ways, rounds, () => 'relay');
  return { tables: [{ name: 'keys', title: `Keys in the store, ${connections} connections`, rows }], measurements, absent: {} };
}

async function fill({ stand }: Bench, count: number): Promise<Filled> {
  const tools = [{ match: '*', scope: 'read:up', price: '0.01' }];
  const place = await stand.preparePlace({ upstreams: { up: { url: stand.at(`/keys-${count}`), environment: 'live', tools } } });
  const known = Math.min(count, validated.cold);
  const keys = await fillKeys(place, { count, known, scopes: ['read:up'], budgets: [budget] });
  return { count, place, served: await stand.serve(place), keys };
}

/** From a key's text to its caller, in microseconds and as multiples of what a call costs the bare relay in the same run. */
async function validation({ place, keys }: Filled, rounds: Rounds): Promise<Record<string, Spread>> {
  const { cold, warm } = await withStore(place, async ({ keyring }, config) => {
    const callers = createKnownCallers({
      ...{ keyring, prefix: () => config.keys.prefix, peppers: () => config.keys.peppers, order: config.scopes },
      limits: { callersMax: 10_000, unknownMax: 10_000 },
      trust: { issuer: () => '', jwks: () => ({ keys: [] }), clock: systemClock },
    });
    const time = async (some: readonly KnownKey[]): Promise<number[]> => {
      const took: number[] = [];
      for (const { key, id } of some) {
        const began = performance.now();
        const caller = await callers.byKey(key);
        took.push((performance.now() - began) * 1_000);
        if (caller?.key.id !== id) throw new Error(`the key ${id} was not found`);
      }
      return took;
    };
    const first = await time(keys);
    const again: number[] = [];
    for (let nth = 0; nth < validated.times; nth += 1) again.push(...(await time(keys.slice(0, validated.warm))));
    return { cold: p95(first), warm: p95(again) };
  });
  const relay = rounds.get('relay') ?? [];
  const over = (took: number) => spreadOver(relay.length, (round) => took / (relay[round]?.cpuPerCall ?? Number.NaN));
  return {
    ...{ 'validation.warm.p95/relay': over(warm), 'validation.cold.p95/relay': over(cold) },
    ...{ 'validation.warm.p95.micros': spreadOver(1, () => warm), 'validation.cold.p95.micros': spreadOver(1, () => cold) },
  };
}

function p95(took: readonly number[]): number {
  return [...took].sort((one, other) => one - other)[Math.floor(took.length * 0.95)] ?? Number.NaN;
}
