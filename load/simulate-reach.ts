import { endedMsKept } from '../src/domain/reservation.ts';
import type { Measurement } from './scale.ts';
import { type Costs, simulate } from './simulate-model.ts';
import { type Parameters, recordsPerCall } from './simulate-parameters.ts';
import { type Busiest, spreadOf } from './simulate-spread.ts';

/** Of what a process can do, what it is planned to do: beyond it waiting grows quickly. */
export const planned = 0.7;
/** One way between machines of one zone, in microseconds. */
const zoneDelay = 100;
/** What planned figures are rounded up to: memory that one Redis server is given, in bytes. */
const shardMemory = 64e9;
const daySeconds = 86_400;
const seed = 1;

/** Calls in a second that one of a kind carries when it does nothing else and is never short of work, each process with a core of its own. */
export interface Reach {
  readonly gateway: number;
  /** One Redis server, with calls of many accounts, and with those of one, which share scripts. */
  readonly shard: number;
  readonly shardOfOne: number;
  /** One sealer, in a process that does nothing else: calls, not records. */
  readonly sealer: number;
}

/** How long a call takes behind one Redis server that is so busy. */
export interface Wait {
  readonly callers: number;
  readonly perSecond: number;
  readonly busy: number;
  readonly p50: number;
  readonly p99: number;
}

/** What so many calls a second need. */
export interface Fleet {
  readonly rate: number;
  readonly gateways: number;
  readonly shards: number;
  /** Processes that would have to seal at once; there is one. */
  readonly sealers: number;
  readonly bytesPerDay: number;
  readonly segmentsPerSecond: number;
  /** Of Redis altogether: what is remembered of ended calls. */
  readonly bytesRemembered: number;
  /** Redis servers that this memory asks for. */
  readonly shardsByMemory: number;
  /** Cores of Redis that gateways take by asking what is new, whether anybody calls or not. */
  readonly coresIdle: number;
}

const free = { perTurn: 0, perCall: 0, otherThreads: 0 };

export function reachOf(costs: Costs, { joint }: { joint: boolean }): Reach {
  const alone = { ...costs, load: free, stub: free, sealer: 0 };
  const stage = { costs: alone, cores: Number.POSITIVE_INFINITY, shards: 1, joint, delay: zoneDelay, seed };
  const saturated = { ...stage, costs: { ...alone, gateway: { ...free, perScript: 0 } }, gateways: 32, callers: 1_024, calls: 20_000 };
  return {
    gateway: simulate({
      ...stage,
      costs: { ...alone, redis: { ...free, perScript: 0 }, sealed: 0 },
      gateways: 1,
      callers: 256,
      partitions: 256,
      calls: 20_000,
    }).perSecond,
    shard: simulate({ ...saturated, partitions: 256 }).perSecond,
    shardOfOne: simulate({ ...saturated, partitions: 1 }).perSecond,
    sealer: 1e6 / costs.sealer,
  };
}

/** With as many gateways as keep one Redis server busy. */
export function waitsOf(costs: Costs, { joint, reach }: { joint: boolean; reach: Reach }): Wait[] {
  const gateways = Math.ceil((reach.shard / reach.gateway) * 1.4);
  return [0.25, 0.5, 1, 2, 4, 8].map((each) => {
    const callers = Math.max(1, Math.round(gateways * each * 4));
    const alone = { ...costs, load: free, stub: free, sealer: 0 };
    const { perSecond, busiest, p50, p99 } = simulate({
      ...{ costs: alone, cores: Number.POSITIVE_INFINITY, shards: 1, joint, delay: zoneDelay, seed },
      ...{ gateways, callers, partitions: 256, calls: 20_000 },
    });
    return { callers, perSecond, busy: busiest.redis, p50, p99 };
  });
}

export function fleetOf(
  rate: number,
  { reach, measurement, idle }: { reach: Reach; measurement: Measurement; idle: Parameters['idle'] },
): Fleet {
  const { sealing } = measurement;
  const gateways = Math.ceil(rate / (planned * reach.gateway));
  const bytesRemembered = rate * (endedMsKept / 1000) * sealing.bytesKeptPerCall;
  return {
    ...{ rate, gateways, bytesRemembered },
    shards: Math.ceil(rate / (planned * reach.shard)),
    sealers: rate / reach.sealer,
    bytesPerDay: rate * recordsPerCall * sealing.bytesPerRecord * daySeconds,
    segmentsPerSecond: (rate * recordsPerCall) / recordsPerSegment,
    shardsByMemory: Math.ceil(bytesRemembered / (planned * shardMemory)),
    coresIdle: (gateways * idle.redis) / 1e6,
  };
}

/** A fleet as the model has it, and how long calls take in it. */
export interface FleetRun {
  readonly gateways: number;
  readonly shards: number;
  readonly callers: number;
  readonly perSecond: number;
  /** Of the busiest of each kind, and milliseconds. */
  readonly gatewayBusy: number;
  readonly redisBusy: number;
  readonly p50: number;
  readonly p99: number;
}

/**
 * What the arithmetic says is needed, run: gateways and Redis servers of the number that `fleetOf` gives, as many callers as Little's law asks
 * for, partitions dealt out evenly. Nothing is sealed in it, because one sealer ends long before.
 */
export function runFleet(rate: number, { costs, joint, reach }: { costs: Costs; joint: boolean; reach: Reach }): FleetRun {
  const gateways = Math.ceil(rate / (planned * reach.gateway));
  const shards = Math.ceil(rate / (planned * reach.shard));
  const callers = Math.max(gateways, Math.ceil((rate * fleetCallMs) / 1000));
  const alone = { ...costs, load: free, stub: free, sealer: 0, sealed: 0 };
  const { perSecond, busiest, p50, p99 } = simulate({
    ...{ costs: alone, cores: Number.POSITIVE_INFINITY, joint, delay: zoneDelay, seed },
    ...{ gateways, shards, callers, partitions: shards * partitionsPerShard, calls: Math.max(20_000, callers * 8) },
  });
  return { gateways, shards, callers, perSecond, gatewayBusy: busiest.gateway, redisBusy: busiest.redis, p50, p99 };
}

/** What a call takes where nothing is full yet, ms. */
const fleetCallMs = 2.7;
const partitionsPerShard = 4;

/** As gather.ts has it. */
const recordsPerSegment = 2_500;

/** One thing that more machines do not help, and the calls a second of the whole system at which it is full. */
export interface Limit {
  readonly name: string;
  readonly perSecond: number;
}

/** What breaks, in the order in which it does as calls grow: nothing of it is helped by more gateways. */
export function limitsOf({ reach, busiest, measurement }: { reach: Reach; busiest: Busiest; measurement: Measurement }): Limit[] {
  const { sealing } = measurement;
  const perShard = (planned * shardMemory) / ((endedMsKept / 1000) * sealing.bytesKeptPerCall);
  const limits = [
    { name: 'one sealer', perSecond: reach.sealer },
    { name: 'one Redis server, no cluster', perSecond: reach.shard },
    { name: `memory of one Redis server (${shardMemory / 1e9} GB)`, perSecond: perShard },
    { name: 'the busiest account, which is in one slot', perSecond: reach.shardOfOne / busiest.account },
    { name: 'the busiest of 256 partitions, on a server of its own', perSecond: reach.shard / busiest.partition },
    { name: '64 servers with slots as a new cluster has them', perSecond: reach.shard / busiest.shard(64) },
    { name: '64 servers with slots moved to be even', perSecond: reach.shard / busiest.evenShard(64) },
  ];
  return limits.sort((one, other) => one.perSecond - other.perSecond);
}

/** Accounts of the tables. */
export const accounts = 200_000;
export const exponents = [0, 0.8, 1, 1.2] as const;

export function spreads(): { exponent: number; busiest: Busiest }[] {
  return exponents.map((exponent) => ({ exponent, busiest: spreadOf({ accounts, exponent }) }));
}

/** What a call takes where its account's Redis is so far away, in milliseconds: one way and back for the commit before it; the settle waits for nobody. */
export function farAdmits(p50: number): { name: string; rtt: number; call: number; open: (rate: number) => number }[] {
  const places = [
    { name: 'same zone', rtt: 0.2 },
    { name: 'same region', rtt: 1 },
    { name: 'same continent', rtt: 30 },
    { name: 'across an ocean', rtt: 90 },
    { name: 'the other side of the world', rtt: 250 },
  ];
  const near = zoneDelay / 500;
  return places.map(({ name, rtt }) => {
    const call = p50 - near + rtt;
    // Little's law: calls that are open at once.
    return { name, rtt, call, open: (rate: number) => (rate * call) / 1000 };
  });
}
