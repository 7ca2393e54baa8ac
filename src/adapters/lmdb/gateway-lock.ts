import { readFileSync } from 'node:fs';
import type { Tables } from './tables.ts';

/** The process life that serves from a store. Process ids are reused, so its start and the machine's boot belong to it. */
export interface Claim {
  readonly pid: number;
  /** Clock ticks from boot to the process's start (proc_pid_stat(5), field 22); empty where there is no /proc. */
  readonly startTicks: string;
  /** Empty where there is no /proc. */
  readonly bootId: string;
  readonly instance: string;
}

/** The gateway of a store: the process that has the claim, and those that serve for it where it has several do so. */
interface Gateway extends Claim {
  readonly workers?: readonly Claim[];
}

/** One of the processes that serve for a gateway. */
export interface Worker {
  /** The instance that the gateway's claim is of. */
  readonly gateway: string;
}

/**
 * Makes this process life the store's one gateway; in force until released or until the process is gone. Meant for one machine and
 * one process-id namespace: containers that share the folder do not see each other's processes (nor does LMDB's own reader table).
 * @param worker  it serves for a gateway instead, which must have the claim
 * @throws Error where another live gateway holds the store, or a worker that outlived its own; for a worker, where its gateway does not
 */
export async function claimGateway(tables: Tables, instance: string, worker?: Worker): Promise<void> {
  const mine: Claim = { pid: process.pid, startTicks: startTicksOf(process.pid), bootId: bootId(), instance };
  await tables.commit(() => {
    const holder = holderOf(tables);
    if (worker) {
      if (holder?.instance !== worker.gateway || !isAlive(holder, mine.bootId)) {
        throw new Error('The gateway that this process works for does not serve from this store any more.');
      }
      const others = (holder.workers ?? []).filter((other) => isAlive(other, mine.bootId));
      tables.meta.put('gateway', { ...holder, workers: [...others, mine] } satisfies Gateway);
      return;
    }
    const pid = holder && holder.instance !== instance ? aliveOf(holder, mine.bootId)[0]?.pid : undefined;
    if (pid !== undefined) {
      throw new Error(
        `Another gateway (process ${pid}) is serving from this store. Stop it first, or give this gateway a store of its own; ` +
          'several gateways can share a Redis store.',
      );
    }
    tables.meta.put('gateway', mine);
  });
}

/** A process of the gateway that serves from the store, or undefined. */
export function servingProcess(tables: Tables): number | undefined {
  return servingNow(tables)[0]?.pid;
}

/** The process lives that serve from the store now, the one with the claim first. */
export function servingNow(tables: Tables): Claim[] {
  const holder = holderOf(tables);
  return holder ? aliveOf(holder, bootId()) : [];
}

/** Whether this process life has the claim now, or serves for the one that has. */
export function isGateway(tables: Tables, instance: string): boolean {
  const holder = holderOf(tables);
  return holder !== undefined && lives(holder).some((life) => life.instance === instance);
}

/** Gives the claim up where this process life has it, or stops serving for it; to be run inside one commit. */
export function releaseGateway(tables: Tables, instance: string): void {
  const holder = holderOf(tables);
  if (holder?.instance === instance) tables.meta.remove('gateway');
  else if (holder?.workers?.some((worker) => worker.instance === instance)) {
    tables.meta.put('gateway', { ...holder, workers: holder.workers.filter((worker) => worker.instance !== instance) } satisfies Gateway);
  }
}

function holderOf(tables: Tables): Gateway | undefined {
  return tables.meta.get('gateway') as Gateway | undefined;
}

function lives(holder: Gateway): Claim[] {
  const { workers = [], ...own } = holder;
  return [own, ...workers];
}

function aliveOf(holder: Gateway, bootIdNow: string): Claim[] {
  return lives(holder).filter((life) => isAlive(life, bootIdNow));
}

function isAlive(holder: Claim, bootIdNow: string): boolean {
  if (holder.bootId !== bootIdNow) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: it lives and belongs to another user.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  return startTicksOf(holder.pid) === holder.startTicks;
}

function startTicksOf(pid: number): string {
  const stat = readOr(`/proc/${pid}/stat`);
  // The second field is the program's name in parentheses and may hold anything, so fields are counted after its end.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

function bootId(): string {
  return readOr('/proc/sys/kernel/random/boot_id').trim();
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
