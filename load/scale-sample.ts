import { readdirSync, readFileSync } from 'node:fs';
import type { TestRedis } from '../test/support/redis-server.ts';

/** Processor time so far, in microseconds: of the first thread, and of all others of the process together. */
export interface Cpu {
  readonly main: number;
  readonly others: number;
}

/** What the machine has done so far, in microseconds of one core. */
export interface Machine {
  readonly busy: number;
  readonly idle: number;
  /** Time in which other machines had the core. */
  readonly stolen: number;
}

/** What Redis says of itself so far. */
export interface RedisSample {
  readonly cpu: Cpu;
  /** Runs of scripts, and what they took in microseconds. */
  readonly scripts: number;
  readonly scriptMicros: number;
  readonly commands: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Of the append-only file. */
  readonly bytesWritten: number;
  readonly bytesInMemory: number;
}

/** Linux tells processor time in ticks of 10 ms (proc_pid_stat(5), USER_HZ). */
const tickMicros = 10_000;

export function cpuOf(pid: number): Cpu {
  const all = readdirSync(`/proc/${pid}/task`).map((task) => [Number(task), threadMicros(pid, task)] as const);
  const main = all.find(([task]) => task === pid)?.[1] ?? 0;
  // The process keeps the time of threads that have ended, so it is asked itself.
  return { main, others: statMicros(readFileSync(`/proc/${pid}/stat`, 'utf8')) - main };
}

function threadMicros(pid: number, task: string): number {
  try {
    return statMicros(readFileSync(`/proc/${pid}/task/${task}/stat`, 'utf8'));
  } catch {
    return 0; // The thread ended meanwhile.
  }
}

function statMicros(stat: string): number {
  // The second field is a name in parentheses and may hold anything, so fields are counted after its end.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickMicros;
}

export function machineNow(): Machine {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softirq = 0, stolen = 0] = line
    .split(/\s+/)
    .slice(1)
    .map((field) => Number(field) * tickMicros);
  return { busy: user + nice + system + irq + softirq, idle: idle + waiting, stolen };
}

export async function sampleRedis(redis: TestRedis): Promise<RedisSample> {
  const text = await redis.cli('INFO', 'everything');
  const field = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? '0');
  const seconds = (thread: '' | '_main_thread') =>
    (field(new RegExp(`^used_cpu_user${thread}:(\\S+)`, 'm')) + field(new RegExp(`^used_cpu_sys${thread}:(\\S+)`, 'm'))) * 1e6;
  const main = seconds('_main_thread');
  return {
    cpu: { main, others: seconds('') - main },
    scripts: field(/^cmdstat_evalsha:calls=(\d+)/m),
    scriptMicros: field(/^cmdstat_evalsha:calls=\d+,usec=(\d+)/m),
    commands: field(/^total_commands_processed:(\d+)/m),
    bytesIn: field(/^total_net_input_bytes:(\d+)/m),
    bytesOut: field(/^total_net_output_bytes:(\d+)/m),
    bytesWritten: field(/^aof_current_size:(\d+)/m),
    bytesInMemory: field(/^used_memory:(\d+)/m),
  };
}
