import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { JournalRecord, RecordFacts } from '../src/domain/record.ts';
import { eventually } from '../test/process/served.ts';
import { checkCalls } from './correct.ts';
import { journalCounts, measurePoint, type Point, round, type Setting } from './scale-point.ts';
import { cpuOf, machineNow, sampleRedis } from './scale-sample.ts';
import { archiveFolder, keysEach, openStand, priceMicros, type Stand } from './scale-stand.ts';

/** What one gateway, and Redis for it, spend in a second in which nobody calls. */
export interface Idle {
  readonly gateways: number;
  /** Microseconds of all gateways, and of Redis, in each second. */
  readonly gatewayMicros: number;
  readonly redisMicros: number;
  readonly commands: number;
}

/** Sealing of what waits, in a process that does nothing else. */
export interface Sealing {
  readonly records: number;
  /** Microseconds of the sealer's and of Redis' processor time for each record. */
  readonly sealerMicros: number;
  readonly redisMicros: number;
  /** In the archive. */
  readonly bytesPerRecord: number;
  /** In Redis' memory, until it is sealed. */
  readonly bytesPerWaiting: number;
  /** What Redis keeps of a call once it is sealed, for as long as it recognises resends. */
  readonly bytesKeptPerCall: number;
}

export interface Round {
  readonly points: readonly Point[];
  readonly idle: readonly Idle[];
  readonly sealing: Sealing;
  /** Calls made, in words of the check. */
  readonly calls: number;
}

const run = promisify(execFile);
const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const idleMs = 4_000;
/** Looked at for so long, this often, and waited for at most, in ms: that others leave the machine alone. */
const quietMs = 1_000;
const triesMax = 4;
/** Records that are sealed at once, so that sealing them says something. */
const sealedRecords = 10_000;
const quietMsMax = 90_000;
const settledMsMax = 20_000;
const verifyMsMax = 300_000;

/**
 * Opens a stand and drives it point by point, with more gateways as the points ask for them, then compares upstream, journal and ledger.
 * @param options.settings  in rising order of gateways
 */
export async function runRound(options: {
  settings: readonly Setting[];
  warmMs: number;
  coldMs: number;
  ms: number;
  /** Cores that other programs of the machine may use in a point. */
  othersMax: number;
  idle: boolean;
  wrong: string[];
}): Promise<Round> {
  const { settings, warmMs, coldMs, ms, othersMax, wrong } = options;
  const stand = await openStand();
  try {
    const counts = { made: 0 };
    const idle: Idle[] = [];
    const points: Point[] = [];
    await stand.addGateway();
    counts.made += await checkFirst(stand, wrong);
    const before = await sampleRedis(stand.redis);
    const sealedBefore = await journalCounts(stand);
    for (const setting of settings) {
      const grown = stand.gateways.length < setting.gateways;
      while (stand.gateways.length < setting.gateways) await stand.addGateway();
      // A process that has just begun compiles what it runs.
      if (grown || points.length === 0) await measurePoint(stand, { ...setting, connections: 64, warmMs: 0, ms: coldMs, wrong, counts });
      if (options.idle && (grown || points.length === 0)) {
        await untilQuiet(stand, othersMax);
        idle.push(await measureIdle(stand));
      }
      const measure = () => measurePoint(stand, { ...setting, warmMs, ms, wrong, counts });
      points.push(await measureQuietly(stand, { measure, othersMax }));
    }
    await settled(stand);
    const sealing = await measureSealing(stand, { othersMax, before, given: sealedBefore.given, wrong });
    const seen = await stand.seen();
    if (seen !== counts.made) wrong.push(`${counts.made} calls were made, but the upstream saw ${seen}`);
    wrong.push(...(await compare(stand, seen)));
    return { points, idle, sealing, calls: seen };
  } finally {
    await stand.close();
  }
}

/** Once others leave the machine alone, and again where they did not meanwhile; the quietest where they never do. */
async function measureQuietly(stand: Stand, { measure, othersMax }: { measure: () => Promise<Point>; othersMax: number }): Promise<Point> {
  let best: Point | undefined;
  const others = ({ coresOthers, coresStolen }: Point) => coresOthers + coresStolen;
  for (let tries = 0; tries < triesMax; tries += 1) {
    await untilQuiet(stand, othersMax);
    const next = await measure();
    if (best === undefined || others(next) < others(best)) best = next;
    if (others(best) <= othersMax) return best;
  }
  if (best === undefined) throw new Error('A point is measured once at least.');
  return best;
}

async function untilQuiet({ gateways, redis, stub }: Stand, othersMax: number): Promise<void> {
  const pids = [...gateways.map(({ pid }) => pid), redis.pid, stub.pid];
  const ours = () => pids.reduce((sum, pid) => sum + cpuOf(pid).main + cpuOf(pid).others, 0);
  const deadline = performance.now() + quietMsMax;
  while (othersMax < Number.POSITIVE_INFINITY && performance.now() < deadline) {
    const [began, machine, own] = [performance.now(), machineNow(), ours()];
    await pause(quietMs);
    const after = machineNow();
    const others = after.busy + after.stolen - machine.busy - machine.stolen - (ours() - own);
    if (others / 1000 / (performance.now() - began) <= othersMax) return;
  }
}

/** One by one, before anything is timed: each answer is the one to its own call. */
async function checkFirst(stand: Stand, wrong: string[]): Promise<number> {
  const [key] = stand.many;
  const [gateway] = stand.gateways;
  const calls = 200;
  if (key && gateway) wrong.push(...(await checkCalls({ url: `${gateway.mcpUrl}/mcp/up`, key: key.key, calls, affordable: calls })));
  return calls;
}

async function measureIdle(stand: Stand): Promise<Idle> {
  await settled(stand);
  const whole = () => stand.gateways.reduce((sum, { pid }) => sum + cpuOf(pid).main + cpuOf(pid).others, 0);
  const [began, gateways, redis] = [performance.now(), whole(), await sampleRedis(stand.redis)];
  await pause(idleMs);
  const after = await sampleRedis(stand.redis);
  const perSecond = (amount: number) => round((amount / (performance.now() - began)) * 1000, 0);
  return {
    gateways: stand.gateways.length,
    gatewayMicros: perSecond(whole() - gateways),
    redisMicros: perSecond(after.cpu.main + after.cpu.others - redis.cpu.main - redis.cpu.others),
    commands: perSecond(after.commands - redis.commands),
  };
}

/** Every call has its intent and its outcome: what comes after an answer has come. */
async function settled(stand: Stand): Promise<void> {
  let last = -1;
  const look = async () => {
    const { given } = await journalCounts(stand);
    const still = given === last;
    last = given;
    if (!still) await pause(100);
    return still || undefined;
  };
  await eventually('every call is settled', look, settledMsMax);
}

/** The gateways are killed, so that this process alone seals: first what waits, unmeasured, then records of its own making. */
async function measureSealing(
  stand: Stand,
  since: { othersMax: number; before: Awaited<ReturnType<typeof sampleRedis>>; given: number; wrong: string[] },
): Promise<Sealing> {
  for (const gateway of stand.gateways) gateway.kill('SIGKILL');
  await Promise.all(stand.gateways.map(({ exited }) => exited));
  const { given } = await journalCounts(stand);
  return stand.place.open(async ({ ledger, journal }) => {
    await journal.head();
    const ended = await sampleRedis(stand.redis);
    for (let at = 0; at < sealedRecords; at += keysEach) {
      await Promise.all(stand.many.map(({ id }, nth) => ledger.record(recordLike({ keyId: id, requestId: `sealed-${at + nth}` }))));
    }
    await untilQuiet({ ...stand, gateways: [] }, since.othersMax);
    const { waiting } = await journalCounts(stand);
    if (waiting === 0) since.wrong.push('no record waited to be sealed, so sealing was not measured');
    const redis = await sampleRedis(stand.redis);
    const cpu = process.cpuUsage();
    await journal.head();
    const { user, system } = process.cpuUsage(cpu);
    const after = await sampleRedis(stand.redis);
    const bytes = await bytesBelow(archiveFolder(stand));
    const calls = (given - since.given) / 2;
    return {
      records: waiting,
      sealerMicros: round((user + system) / waiting, 2),
      redisMicros: round((after.cpu.main - redis.cpu.main) / waiting, 2),
      bytesPerRecord: round(bytes / (given + waiting), 1),
      bytesPerWaiting: round((redis.bytesInMemory - after.bytesInMemory) / waiting, 1),
      bytesKeptPerCall: round((ended.bytesInMemory - since.before.bytesInMemory) / calls, 1),
    };
  });
}

/** A record as long as those of calls, which comes from no call. */
function recordLike({ keyId, requestId }: { keyId: string; requestId: string }): RecordFacts {
  return {
    ...{ kind: 'call.refused', requestId, keyId, environment: 'live', address: '127.0.0.1', upstream: 'up', method: 'tools/call' },
    ...{ tool: 'checked', argumentsHash: 'x'.repeat(64), rule: 'up.tools[1]', ruleRevision: 'x'.repeat(12), decision: 'refused' },
    ...{ reason: 'TOOL_NOT_ALLOWED', status: 403 },
  };
}

async function bytesBelow(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const sizes = files.filter((file) => file.isFile()).map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** What upstream, journal and ledger say of the same calls: the same, to the micro-unit. */
async function compare(stand: Stand, seen: number): Promise<string[]> {
  const wrong: string[] = [];
  const counted = { intents: 0, charged: 0, outcomes: 0 };
  await stand.place.open(async ({ journal, keyring, ledger }) => {
    for (let after = 0; ; ) {
      const lines = await journal.read({ after, limit: 5_000 });
      const last = lines.at(-1);
      if (!last) break;
      after = last.position;
      for (const { text } of lines) count(JSON.parse(text) as JournalRecord, counted);
    }
    let spent = 0;
    for (const { id } of [...stand.many, ...stand.one]) {
      const key = await keyring.get(id);
      const line =
        key && (await ledger.usage({ key, ancestors: [], now: Date.now() })).find(({ limitName }) => limitName.startsWith(`key:${id} `));
      spent += line?.spent ?? Number.NaN;
      if (line?.held !== 0) wrong.push(`the key ${id} still holds ${line?.held} micro-units`);
    }
    if (spent !== seen * priceMicros) wrong.push(`${seen} calls were seen, but ${spent} micro-units spent`);
  });
  if (counted.intents !== seen || counted.outcomes !== seen) {
    wrong.push(`${seen} calls were seen, but ${counted.intents} intents and ${counted.outcomes} outcomes are on record`);
  }
  if (counted.charged !== seen) wrong.push(`${seen} calls were seen, but ${counted.charged} were charged their price`);
  const verify = [main, 'journal', 'verify', '--config', stand.place.configFile];
  await run(process.execPath, verify, { cwd: stand.place.folder, timeout: verifyMsMax }).catch((error: unknown) => {
    wrong.push(`the journal does not verify: ${error}`);
  });
  return wrong;
}

function count({ kind, tool, charged }: JournalRecord, counted: { intents: number; charged: number; outcomes: number }): void {
  if (kind === 'call.intent' && tool !== undefined) counted.intents += 1;
  if (kind !== 'call.outcome') return;
  counted.outcomes += 1;
  if (Math.round(Number(charged) * 1_000_000) === priceMicros) counted.charged += 1;
}
