import type { Redis } from 'ioredis';

/** What a server says of itself; undefined where it does not say, or this account may not ask. */
export interface ServerFacts {
  /** `host:port` as it was connected to, for messages. */
  readonly at: string;
  readonly version: string | undefined;
  /** `standalone`, `cluster` or `sentinel`. */
  readonly mode: string | undefined;
  readonly role: string | undefined;
  readonly connectedReplicas: number;
  readonly maxmemory: number | undefined;
  readonly maxmemoryPolicy: string | undefined;
  readonly appendonly: boolean | undefined;
  readonly appendfsync: string | undefined;
  /** How far the server's clock is ahead of ours, as far as the time of one exchange lets us tell. */
  readonly aheadMs: number;
}

/**
 * Asks a server what has to be known before money is entrusted to it. INFO says nearly all of it; CONFIG, which hosted servers forbid, only
 * the fsync policy.
 * @throws Error where the server does not answer, or this account may not ask INFO or TIME
 */
export async function serverFacts(node: Redis, now: () => number): Promise<ServerFacts> {
  const before = now();
  const clock = node
    .time()
    .then(([seconds = 0, micros = 0]) => aheadOf(Number(seconds) * 1000 + Number(micros) / 1000, before, now()), withoutClock);
  // All at once, so that a server that stops answering costs the time of one command.
  const [aheadMs, text, policy] = await Promise.all([clock, node.info(), node.config('GET', 'appendfsync').catch(withoutPermission)]);
  const said = fieldsOf(text);
  return {
    at: `${node.options.host}:${node.options.port}`,
    version: said.get('redis_version'),
    mode: said.get('redis_mode') ?? (said.get('cluster_enabled') === '1' ? 'cluster' : undefined),
    role: said.get('role'),
    connectedReplicas: Number(said.get('connected_slaves') ?? 0),
    maxmemory: numberOf(said.get('maxmemory')),
    maxmemoryPolicy: said.get('maxmemory_policy'),
    appendonly: flagOf(said.get('aof_enabled')),
    appendfsync: Array.isArray(policy) ? (policy as string[])[1] : undefined,
    aheadMs,
  };
}

/** The least difference that explains what was seen: the server looked at its clock at some moment between the two. */
function aheadOf(server: number, before: number, after: number): number {
  if (server > after) return server - after;
  return server < before ? server - before : 0;
}

/** A Sentinel has no TIME; where a server lacks it, the first script that is tried says so. */
function withoutClock(error: unknown): number {
  if (error instanceof Error && /^ERR unknown command/i.test(error.message)) return 0;
  throw error;
}

/** CONFIG may be forbidden or renamed; a connection that broke is another matter. */
function withoutPermission(error: unknown): undefined {
  if (error instanceof Error && /^(?:NOPERM|ERR unknown|ERR.*not allowed|ERR.*disabled)/i.test(error.message)) return undefined;
  throw error;
}

function fieldsOf(text: string): Map<string, string> {
  const lines = text.split('\r\n').filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

function flagOf(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : text === '1';
}
