import { readFileSync } from 'node:fs';
import type { Log } from '../ports/observe.ts';

/** Of all descriptors; the rest is for connections to upstreams and the store. */
const clientsShare = 2 / 3;
/** What the process needs in any case: the runtime's own (about 30, measured), the store's files, a few connections to upstreams. */
const ownMin = 44;
/** Of what is left to clients, so much is for the admin listener: an operator gets in also where agents have taken everything. */
const adminShare = 8;

export interface ConnectionBounds {
  readonly data: number;
  readonly admin: number;
  /** True where the system allows less than was configured. */
  readonly lowered: boolean;
}

/** As many connections as are configured, or as the system lets this process have, which the log says. */
export function connectionsFor(connectionsMax: number, log: Log): ConnectionBounds {
  const bounds = connectionBounds(connectionsMax, descriptorsMax());
  const { data: agents, admin: operators, lowered } = bounds;
  if (lowered) log.warn('the system allows fewer open files than limits.connectionsMax needs', { agents, operators });
  return bounds;
}

/**
 * How many connections fit into the descriptors that the process may open: a flood of them must leave enough to reach upstreams and to keep the
 * journal (A53).
 * @param descriptorsMax soft limit of RLIMIT_NOFILE; undefined where it is not known
 */
export function connectionBounds(connectionsMax: number, descriptorsMax: number | undefined): ConnectionBounds {
  const configured = { data: connectionsMax, admin: connectionsMax, lowered: false };
  if (descriptorsMax === undefined) return configured;
  const forClients = Math.max(2, Math.floor(Math.min(descriptorsMax * clientsShare, descriptorsMax - ownMin)));
  if (connectionsMax <= forClients) return configured;
  const admin = Math.max(1, Math.floor(forClients / adminShare));
  return { data: Math.max(1, forClients - admin), admin, lowered: true };
}

/** The soft limit of open descriptors, read where Linux tells it. */
export function descriptorsMax(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
