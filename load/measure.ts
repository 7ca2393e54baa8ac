import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** One way to the upstream. */
export interface Way {
  readonly name: 'direct' | 'relay' | 'gate';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The process whose work is measured. */
  readonly pid: number;
}

/** One round on one way. Times in milliseconds, work in microseconds. */
export interface Measured {
  readonly calls: number;
  readonly callsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuPerCall: number;
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

export async function measure(
  way: Way,
  options: { body: string; answer: string; seconds: number; connections: number },
): Promise<Measured> {
  const { body, answer, seconds, connections } = options;
  const times: number[] = [];
  const cpuBefore = cpuMicros(way.pid);
  const result = await new Promise<Parameters<Parameters<Autocannon>[1]>[1]>((resolve, reject) => {
    const { url, headers } = way;
    const run = autocannon({ url, method: 'POST', headers, body, expectBody: answer, connections, duration: seconds }, (failure, ended) =>
      failure ? reject(failure) : resolve(ended),
    );
    // Its own percentiles are in whole milliseconds, which is too coarse for ratios.
    run.on('response', (_client, _status, _bytes, ms) => times.push(ms));
  });
  const cpu = cpuMicros(way.pid) - cpuBefore;
  times.sort((one, other) => one - other);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? Number.NaN;
  return {
    calls: times.length,
    callsPerSecond: times.length / result.duration,
    p50: at(0.5),
    p99: at(0.99),
    cpuPerCall: cpu / times.length,
    wrong: result.errors + result.timeouts + result.mismatches + result.non2xx,
  };
}

/** User and system time of a process with all its threads so far. */
function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is a name in parentheses and may hold anything, so fields are counted after its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMicros;
}
