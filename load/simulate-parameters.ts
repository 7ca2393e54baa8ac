import type { Measurement } from './scale.ts';
import type { Point } from './scale-point.ts';
import { keysEach } from './scale-stand.ts';
import { type Costs, type Kind, type Simulated, simulate } from './simulate-model.ts';

export interface Parameters {
  readonly plain: Costs;
  readonly leased: Costs;
  /** Cores that one gateway's run had: those of the machine less what others used. */
  readonly cores: number;
  /** Of the calls that the costs alone would let pass, how many passed with one gateway: processes also wait to be woken, and for each other's caches. */
  readonly efficiency: number;
  /** Microseconds in a second that each gateway takes, and Redis for it, while nobody calls. */
  readonly idle: { readonly gateway: number; readonly redis: number };
}

/** Of the simulation: enough calls that another seed changes little. */
const calls = 12_000;
const seed = 1;
/** How many turns calls share depends on what turns cost, and the other way round: it settles in a few rounds. */
const rounds = 6;
/** Each call has an intent and an outcome. */
export const recordsPerCall = 2;

/** What a call costs each process, from points of one gateway alone: what two and four do is not looked at. */
export function parametersOf({ points, idle, sealing, machine }: Measurement): Parameters {
  const find = (wanted: Partial<Point>) => findPoint(points, { gateways: 1, connections: 64, fsync: 'everysec', leased: false, ...wanted });
  const wide = find({ accounts: 'many' });
  const one = idle.find(({ gateways }) => gateways === 1) ?? { gatewayMicros: 0, redisMicros: 0 };
  const parameters = {
    cores: machine.cores - wide.coresOthers - wide.coresStolen,
    idle: { gateway: one.gatewayMicros, redis: one.redisMicros },
  };
  const given = { ...parameters, efficiency: 1, sealing };
  const plainPoints = [find({ accounts: 'many', connections: 1 }), wide, find({ accounts: 'one' })];
  const leasedPoints = [find({ accounts: 'many', leased: true }), find({ accounts: 'one', leased: true })];
  const plain = costsFrom(given, plainPoints);
  const leased = costsFrom(given, leasedPoints, plain);
  const efficiency = efficiencyOf(given, [...plainPoints, ...leasedPoints], { plain, leased });
  return { ...parameters, efficiency, plain, leased };
}

/** The geometric mean over the points that the costs were taken from. */
function efficiencyOf(given: Given, points: readonly Point[], { plain, leased }: { plain: Costs; leased: Costs }): number {
  const logs = points.map((point) =>
    Math.log(point.perSecond / simulatePoint(point, { ...given, costs: point.leased ? leased : plain }).perSecond),
  );
  return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
}

export function findPoint(points: readonly Point[], wanted: Partial<Point>): Point {
  const found = points.find((point) => Object.entries(wanted).every(([name, value]) => point[name as keyof Point] === value));
  if (!found) throw new Error(`The measurement has no point ${JSON.stringify(wanted)}. Measure again with load/scale.ts.`);
  return found;
}

/**
 * The point as the model has it. Sealing lags behind calls by seconds, so what is sealed while a point is measured is not what its own calls
 * brought: how much that was is taken from the point.
 */
export function simulatePoint(
  point: Pick<Point, 'gateways' | 'connections' | 'accounts' | 'leased' | 'sealed' | 'calls'>,
  { costs, cores, idle, efficiency }: { costs: Costs } & Pick<Parameters, 'cores' | 'idle' | 'efficiency'>,
): Simulated {
  const { gateways, connections, accounts, leased } = point;
  const sealedShare = Math.max(0, point.sealed) / (recordsPerCall * point.calls);
  const lagging = { ...costs, sealer: costs.sealer * sealedShare, sealed: costs.sealed * sealedShare };
  return simulate({
    costs: slowed(lagging, efficiency),
    ...{ gateways, callers: connections, joint: leased, calls, seed },
    cores: cores - (gateways * (idle.gateway + idle.redis)) / 1e6,
    ...{ shards: 1, delay: 0, partitions: accounts === 'one' ? 1 : keysEach },
  });
}

/** The same work where everything takes longer than its own processor time. */
export function slowed({ load, stub, gateway, redis, sealer, sealed }: Costs, efficiency: number): Costs {
  const work = <Work extends Record<string, number>>(of: Work) =>
    Object.fromEntries(Object.entries(of).map(([name, micros]) => [name, micros / efficiency])) as Work;
  const slow = { load: work({ ...load }), stub: work({ ...stub }), gateway: work({ ...gateway }), redis: work({ ...redis }) };
  return { ...slow, sealer: sealer / efficiency, sealed: sealed / efficiency };
}

type Given = Pick<Parameters, 'cores' | 'idle' | 'efficiency'> & { readonly sealing: Measurement['sealing'] };

/**
 * Three points differ in what they share: one caller shares no turns, callers of one account share scripts. So they say what a turn, a script and
 * a call cost. Where a turn's cost is known, two points are enough.
 */
function costsFrom(given: Given, points: readonly Point[], known?: Costs): Costs {
  const own = points.map((point) => ownCosts(point, given));
  const wideAt = known ? 0 : 1;
  const [wide, widePoint] = [own[wideAt], points[wideAt]];
  const sealed = { sealer: recordsPerCall * given.sealing.sealerMicros, sealed: recordsPerCall * given.sealing.redisMicros };
  const none = { perTurn: 0, perScript: 0 };
  let costs: Costs = {
    load: { ...none, perCall: wide?.load ?? 0, otherThreads: 0 },
    stub: { ...none, perCall: wide?.stub ?? 0, otherThreads: 0 },
    gateway: { ...none, perCall: wide?.gateway ?? 0, otherThreads: widePoint?.gatewayOthers ?? 0 },
    redis: { ...none, perCall: wide?.redis ?? 0, otherThreads: widePoint?.redisOthers ?? 0 },
    ...sealed,
  };
  for (let round = 0; round < rounds; round += 1) {
    const turns = points.map((point) => simulatePoint(point, { ...given, costs }).turns);
    const rows = (kind: Kind) =>
      points.map((point, at) => ({ scripts: point.scripts, turns: turns[at]?.[kind] ?? 0, micros: own[at]?.[kind] ?? 0 }));
    costs = {
      load: { ...costs.load, ...solve(rows('load'), { scripts: false, perTurn: known?.load.perTurn }) },
      stub: { ...costs.stub, ...solve(rows('stub'), { scripts: false, perTurn: known?.stub.perTurn }) },
      gateway: { ...costs.gateway, ...solve(rows('gateway'), { scripts: true, perTurn: known?.gateway.perTurn }) },
      redis: { ...costs.redis, ...solve(rows('redis'), { scripts: true, perTurn: known?.redis.perTurn }) },
      ...sealed,
    };
  }
  return costs;
}

/** Of a point's calls alone: without sealing, and without what is spent when nobody calls. */
function ownCosts(point: Point, { sealing, idle }: Given): Record<Kind, number> {
  const sealed = point.sealed / point.calls;
  const own = (measured: number, sealer: number, quiet: number) => Math.max(0, measured - sealer * sealed - quiet / point.perSecond);
  return {
    load: point.load,
    stub: point.stub,
    gateway: own(point.gatewayMain, sealing.sealerMicros, idle.gateway),
    redis: own(point.redisMain, sealing.redisMicros, idle.redis),
  };
}

interface Row {
  readonly scripts: number;
  readonly turns: number;
  readonly micros: number;
}

/** Micros = perCall + scripts x perScript + turns x perTurn, for the first row, the middle one and the last; nothing costs less than nothing. */
function solve(
  rows: readonly Row[],
  { scripts, perTurn: known }: { scripts: boolean; perTurn: number | undefined },
): { perTurn: number; perCall: number; perScript: number } {
  const [first, wide, last] = known === undefined ? rows : [undefined, ...rows];
  if (!wide || !last) throw new Error('The costs need its points.');
  let perScript = 0;
  let perTurn = known ?? 0;
  // Either depends a little on the other.
  for (let round = 0; round < rounds; round += 1) {
    if (scripts) perScript = Math.max(0, (wide.micros - last.micros - perTurn * (wide.turns - last.turns)) / (wide.scripts - last.scripts));
    if (first)
      perTurn = Math.max(0, (first.micros - wide.micros - perScript * (first.scripts - wide.scripts)) / (first.turns - wide.turns));
  }
  return { perTurn, perScript, perCall: Math.max(0, wide.micros - perScript * wide.scripts - perTurn * wide.turns) };
}
