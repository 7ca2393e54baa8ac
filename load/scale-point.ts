import { fileURLToPath } from 'node:url';
import { startProcess } from '../test/support/process.ts';
import { type Cpu, cpuOf, machineNow, type RedisSample, sampleRedis } from './scale-sample.ts';
import type { Stand } from './scale-stand.ts';

/** What is driven, and how. */
export interface Setting {
  readonly gateways: number;
  /** All together, each with one call at a time. */
  readonly connections: number;
  readonly accounts: 'many' | 'one';
  readonly leased: boolean;
  readonly fsync: 'everysec' | 'always';
}

/** Of one call: microseconds of processor time, or bytes. */
export interface Costs {
  readonly gatewayMain: number;
  readonly gatewayOthers: number;
  readonly redisMain: number;
  readonly redisOthers: number;
  readonly stub: number;
  readonly load: number;
  readonly scripts: number;
  /** What Redis says that its scripts took. */
  readonly scriptMicros: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly bytesWritten: number;
}

export interface Point extends Setting, Costs {
  readonly seconds: number;
  readonly calls: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** Cores that this benchmark's own processes used, that others of the machine used, and that other machines took. */
  readonly coresOurs: number;
  readonly coresOthers: number;
  readonly coresStolen: number;
  readonly coresIdle: number;
  /** Journal records that were committed, and that were sealed, in the time. */
  readonly recorded: number;
  readonly sealed: number;
}

interface Sample {
  readonly at: number;
  readonly gateways: readonly Cpu[];
  readonly stub: Cpu;
  readonly load: Cpu;
  readonly redis: RedisSample;
  readonly machine: ReturnType<typeof machineNow>;
  readonly journal: { readonly given: number; readonly waiting: number };
}

/** Drives the stand for so long, after a warm-up, and says what a call cost. Appends what went wrong to `wrong`. */
export async function measurePoint(
  stand: Stand,
  options: Setting & { warmMs: number; ms: number; wrong: string[]; counts: { made: number } },
): Promise<Point> {
  const { gateways, connections, accounts, leased, fsync, warmMs, ms, wrong, counts } = options;
  await stand.redis.cli('CONFIG', 'SET', 'appendfsync', fsync);
  const args = [
    ...['--urls', stand.gateways.map(({ mcpUrl }) => mcpUrl).join()],
    ...['--keys', stand[accounts].map(({ key }) => key).join()],
    ...['--tool', leased ? 'leased' : 'checked', '--connections', String(connections)],
    ...['--warmMs', String(warmMs), '--ms', String(ms)],
  ];
  const program = fileURLToPath(new URL('scale-driver.ts', import.meta.url));
  const driver = await startProcess(process.execPath, [program, ...args], { ready: /^timing$/m, readyMsMax: warmMs + 15_000 });
  const before = await sample(stand, driver.pid);
  const [, line = ''] = await driver.printed(/^timed (.*)$/m);
  const after = await sample(stand, driver.pid);
  const [, end = ''] = await driver.printed(/^all (.*)$/m);
  await driver.exited;
  const all = JSON.parse(end) as { calls: number; wrong: number; first?: string };
  counts.made += all.calls;
  if (all.wrong > 0) wrong.push(`${all.wrong} answers were not those to their calls: ${all.first}`);
  const timed = JSON.parse(line) as { calls: number; p50: number; p99: number };
  return { gateways, connections, accounts, leased, fsync, ...pointOf({ before, after, timed, ms }) };
}

async function sample(stand: Stand, driver: number): Promise<Sample> {
  const processes = {
    gateways: stand.gateways.map(({ pid }) => cpuOf(pid)),
    stub: cpuOf(stand.stub.pid),
    load: cpuOf(driver),
    machine: machineNow(),
    at: performance.now(),
  };
  const redis = await sampleRedis(stand.redis);
  return { ...processes, redis, journal: await journalCounts(stand) };
}

/** Numbers that were given to records, and records that wait to be sealed. */
export async function journalCounts({ redis }: Pick<Stand, 'redis'>): Promise<{ given: number; waiting: number }> {
  const each = (command: string, name: string) => `n = n + (tonumber(redis.call('${command}', 'kg:{p' .. p .. '}:${name}')) or 0)`;
  const script = (line: string) => `local n = 0; for p = 0, 255 do ${line} end; return n`;
  const given = await redis.cli('EVAL', script(each('GET', 'seq')), '0');
  const waiting = await redis.cli('EVAL', script(each('XLEN', 'journal')), '0');
  return { given: Number(given), waiting: Number(waiting) };
}

function pointOf(options: {
  before: Sample;
  after: Sample;
  timed: { calls: number; p50: number; p99: number };
  ms: number;
}): Omit<Point, keyof Setting> {
  const { before, after, timed, ms } = options;
  const { calls } = timed;
  const gateway = (of: keyof Cpu) => sum(after.gateways, of) - sum(before.gateways, of);
  const whole = ({ main, others }: Cpu) => main + others;
  const stub = whole(after.stub) - whole(before.stub);
  const load = whole(after.load) - whole(before.load);
  const redis = (of: Exclude<keyof RedisSample, 'cpu'>) => after.redis[of] - before.redis[of];
  const redisCpu = (of: keyof Cpu) => after.redis.cpu[of] - before.redis.cpu[of];
  const elapsed = (after.at - before.at) * 1000;
  const ours = gateway('main') + gateway('others') + redisCpu('main') + redisCpu('others') + stub + load;
  const cores = (micros: number) => round(micros / elapsed, 3);
  const each = (amount: number) => round(amount / calls, 2);
  const recorded = after.journal.given - before.journal.given;
  return {
    seconds: ms / 1000,
    ...{ calls, perSecond: round((calls / ms) * 1000, 1), p50: round(timed.p50, 3), p99: round(timed.p99, 3) },
    ...{ gatewayMain: each(gateway('main')), gatewayOthers: each(gateway('others')) },
    ...{ redisMain: each(redisCpu('main')), redisOthers: each(redisCpu('others')), stub: each(stub), load: each(load) },
    ...{ scripts: round(redis('scripts') / calls, 4), scriptMicros: each(redis('scriptMicros')) },
    ...{ bytesIn: each(redis('bytesIn')), bytesOut: each(redis('bytesOut')), bytesWritten: each(redis('bytesWritten')) },
    coresOurs: cores(ours),
    coresOthers: cores(after.machine.busy - before.machine.busy - ours),
    coresStolen: cores(after.machine.stolen - before.machine.stolen),
    coresIdle: cores(after.machine.idle - before.machine.idle),
    ...{ recorded, sealed: recorded - (after.journal.waiting - before.journal.waiting) },
  };
}

function sum(all: readonly Cpu[], of: keyof Cpu): number {
  return all.reduce((total, one) => total + one[of], 0);
}

export function round(value: number, places: number): number {
  return Number(value.toFixed(places));
}
