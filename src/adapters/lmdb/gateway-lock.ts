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

/**
 * Makes this process life the store's one gateway; in force until released or until the process is gone. Meant for one machine and
 * one process-id namespace: containers that share the folder do not see each other's processes (nor does LMDB's own reader table).
 * @throws Error where another live gateway holds the store
 */
export async function claimGateway(tables: Tables, instance: string): Promise<void> {
  const mine: Claim = { pid: process.pid, startTicks: startTicksOf(process.pid), bootId: bootId(), instance };
  await tables.commit(() => {
    const holder = tables.meta.get('gateway') as Claim | undefined;
    if (holder && holder.instance !== instance && isAlive(holder, mine.bootId)) {
      throw new Error(
        `Another gateway (process ${holder.pid}) is serving from this store. Stop it first, or give this gateway a store of its own; ` +
          'several gateways can share a Redis store.',
      );
    }
    tables.meta.put('gateway', mine);
  });
}

/** The process of the gateway that serves from the store, or undefined. */
export function servingProcess(tables: Tables): number | undefined {
  const holder = tables.meta.get('gateway') as Claim | undefined;
  return holder && isAlive(holder, bootId()) ? holder.pid : undefined;
}

/** Whether this process life has the claim now. */
export function isGateway(tables: Tables, instance: string): boolean {
  return (tables.meta.get('gateway') as Claim | undefined)?.instance === instance;
}

/** Gives the claim up where this process life has it, to be run inside one commit. */
export function releaseGateway(tables: Tables, instance: string): void {
  if (isGateway(tables, instance)) tables.meta.remove('gateway');
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
