import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';

/** One way to the upstream, and what is sent on it. */
export interface Way {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** What every answer must be, to the byte. */
  readonly answer: string;
  /** The processes between caller and upstream whose work is measured, their children included; none on the direct way. */
  readonly pids: readonly number[];
  /** Where a gateway tells its metrics. */
  readonly adminUrl?: string;
  /** A store of its own process, whose work is told beside. */
  readonly storePid?: number;
}

/** One round on one way. Times in milliseconds, work in microseconds. */
export interface Measured {
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Of all processes in between; 0 on the direct way. */
  readonly cpuPerCall: number;
  /** Of the store's own process, where it has one. */
  readonly storeCpuPerCall?: number;
  /** Resident memory of the processes in between when the round ended. */
  readonly residentBytes: number;
  /** 99th percentile of what the gateway's event loop came late by, in milliseconds (perf_hooks, by its own metrics). */
  readonly loopDelayMs?: number;
  /** Answers that were not the expected one, and connections that broke. */
  readonly wrong: number;
}

/** What is used of autocannon, which comes without types. */
type Autocannon = (
  options: {
    url: string;
    method: string;
    headers: Readonly<Record<string, string>>;
    body: string;
    expectBody: string;
    connections: number;
    duration: number;
  },
  done: (failure: Error | null, result: { duration: number; errors: number; timeouts: number; mismatches: number; non2xx: number }) => void,
) => { on(event: 'response', listener: (client: unknown, status: number, bytes: number, ms: number) => void): void };

const autocannon = createRequire(import.meta.url)('autocannon') as Autocannon;

/** Linux tells processor time in ticks of 10 ms (proc_pid_stat(5), USER_HZ). */
const tickMicros = 10_000;
/** perf_hooks times a timer of so many milliseconds, whose own length is no delay. */
const loopSampleMs = 10;
/** What is done after the last answer, such as settling, belongs to the calls. */
const settleMs = 50;

/** As many calls as `connections` make in `seconds`, each sending its next call when its last is answered. */
export async function measure(way: Way, options: { seconds: number; connections: number }): Promise<Measured> {
  const { seconds, connections } = options;
  return await observe(way, async () => {
    const times: number[] = [];
    const { url, headers, body, answer } = way;
    const result = await new Promise<Parameters<Parameters<Autocannon>[1]>[1]>((resolve, reject) => {
      const run = autocannon(
        { url, method: 'POST', headers, body, expectBody: answer, connections, duration: seconds },
        (failure, ended) => (failure ? reject(failure) : resolve(ended)),
      );
      // Its own percentiles are in whole milliseconds, which is too coarse for ratios.
      run.on('response', (_client, _status, _bytes, ms) => times.push(ms));
    });
    return { times, seconds: result.duration, wrong: result.errors + result.timeouts + result.mismatches + result.non2xx };
  });
}

/** What the processes of a way do while `drive` calls it. Its times are in milliseconds. */
export async function observe(way: Way, drive: () => Promise<{ times: number[]; seconds: number; wrong: number }>): Promise<Measured> {
  const { pids, storePid, adminUrl } = way;
  const cpu = () => pids.reduce((sum, pid) => sum + cpuMicros(pid), 0);
  const storeCpu = () => (storePid === undefined ? 0 : cpuMicros(storePid));
  // Reading the metric sets it back, and costs processor time, so it is read outside of what is measured.
  if (adminUrl !== undefined) await loopDelayMs(adminUrl);
  const before = { cpu: cpu(), store: storeCpu() };
  const { times, seconds, wrong } = await drive();
  await pause(settleMs);
  const after = { cpu: cpu(), store: storeCpu() };
  times.sort((one, other) => one - other);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return {
    calls: times.length,
    callsPerSecond: times.length / seconds,
    ...{ p50: at(0.5), p99: at(0.99), p999: at(0.999) },
    cpuPerCall: (after.cpu - before.cpu) / times.length,
    ...(storePid !== undefined && { storeCpuPerCall: (after.store - before.store) / times.length }),
    residentBytes: pids.reduce((sum, pid) => sum + residentBytes(pid), 0),
    ...(adminUrl !== undefined && { loopDelayMs: await loopDelayMs(adminUrl) }),
    // A round without a single answer is wrong, whatever else it says.
    wrong: wrong + (times.length === 0 ? 1 : 0),
  };
}

/** Memory of a process that is in RAM (proc_pid_status(5), VmRSS). */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/**
 * Of that, what no file lies beneath (proc_pid_status(5), RssAnon): pages of the embedded store are the system's cache of a file, which grows with every
 * record that is written and belongs to nobody who is connected.
 */
export function anonymousBytes(pid: number): number {
  return statusBytes(pid, 'RssAnon');
}

function statusBytes(pid: number, name: 'VmRSS' | 'RssAnon'): number {
  const [, kibibytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  if (kibibytes === undefined) throw new Error(`process ${pid} does not say its memory`);
  return Number(kibibytes) * 1_024;
}

/** User and system time of a process with all its threads so far, and of the children it has now. */
export function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in parentheses and may hold anything, so fields are counted after its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = (Number(fields[11]) + Number(fields[12])) * tickMicros;
  return childrenOf(pid).reduce((sum, child) => sum + cpuMicros(child), own);
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .filter((each) => each !== '')
    .map(Number);
}

async function loopDelayMs(adminUrl: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  const [, seconds] = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(text) ?? [];
  return Number(seconds) * 1_000 - loopSampleMs;
}
