import { type Cluster, Redis } from 'ioredis';
import { StoreUnreachable } from '../../ports/store.ts';

const pulseMs = 1000;

/** What is known of a connection without asking. */
export interface Link {
  /** Resolves when commands can be sent. @throws Error that says why there is no connection, at once where trying again cannot help */
  opened(msMax: number): Promise<void>;
  /** Why nothing can be expected of the server now, or undefined. */
  trouble(): string | undefined;
  onLink(listener: (change: 'lost' | 'made') => void): void;
  stop(): void;
}

/** Counts, for each client, how often its connection was lost: two equal counts are one connection. */
export interface Lives {
  watch(node: Redis): void;
  of(node: Redis): number;
}

export function countLives(): Lives {
  const counts = new WeakMap<Redis, number>();
  const of = (node: Redis) => counts.get(node) ?? 0;
  return { of, watch: (node) => void node.on('close', () => counts.set(node, of(node) + 1)) };
}

/** Refusals that the next attempt will meet again. */
const hopeless =
  /^(?:WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH|ERR DB index|ERR invalid DB index)|cluster support disabled|SELECT is not allowed/i;

/**
 * Watches the connection and asks every master for a PING once a second, so that a server which stopped answering is found, and its
 * socket made anew, although nobody else asks.
 */
export function watchLink({ client, masters, place }: { client: Redis | Cluster; masters: () => Redis[]; place: string }): Link {
  const listeners = new Set<(change: 'lost' | 'made') => void>();
  const asked = new Set<Redis>();
  const silent = new Map<Redis, string>();
  let reason: string | undefined;
  let settled = (_: Error | undefined): void => undefined;

  const failed = (error: Error) => {
    reason = reasonOf(error);
    if (hopeless.test(reason)) settled(new Error(`Redis at ${place} refuses the connection: ${remedy(reason)}`));
  };
  const tell = (change: 'lost' | 'made') => {
    if (change === 'made') reason = undefined;
    for (const listener of listeners) listener(change);
  };
  const follow = (node: Redis) => void node.on('ready', () => tell('made')).on('close', () => tell('lost'));
  client.on('error', failed);
  if (client instanceof Redis) follow(client);
  else client.on('node error', failed).on('+node', follow);
  client.on('ready', () => settled(undefined));

  const pulse = async (node: Redis) => {
    if (asked.has(node)) return;
    asked.add(node);
    try {
      await node.ping();
      silent.delete(node);
    } catch (error) {
      silent.set(node, reasonOf(error));
    } finally {
      asked.delete(node);
    }
  };
  const timer = setInterval(() => {
    const now = masters();
    for (const node of silent.keys()) if (!now.includes(node)) silent.delete(node);
    if (client.status === 'ready') for (const node of now) void pulse(node);
  }, pulseMs);
  timer.unref();

  return {
    opened: (msMax) => opened({ client, msMax, place, why: () => reason, onSettled: (listener) => (settled = listener) }),
    trouble: () => {
      if (client.status !== 'ready') return `Redis at ${place} is not connected${reason === undefined ? '' : ` (${reason})`}`;
      const [why] = silent.values();
      return why === undefined ? undefined : `Redis at ${place} does not answer (${why})`;
    },
    onLink: (listener) => void listeners.add(listener),
    stop: () => clearInterval(timer),
  };
}

function opened(options: {
  client: Redis | Cluster;
  msMax: number;
  place: string;
  why: () => string | undefined;
  onSettled: (listener: (error: Error | undefined) => void) => void;
}): Promise<void> {
  const { client, msMax, place, why } = options;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const hint =
        client instanceof Redis
          ? 'nothing answers there'
          : 'a node does not answer, or slots are not served: see redis-cli --cluster check';
      reject(new StoreUnreachable(`Redis at ${place} cannot be used after ${msMax} ms of trying: ${remedy(why() ?? hint)}`));
    }, msMax);
    options.onSettled((error) => {
      clearTimeout(timer);
      if (error === undefined) resolve();
      else reject(error);
    });
    // A first attempt that fails is followed by others: the events say how they go.
    client.connect().catch(() => undefined);
  });
}

/** The innermost reason, in the server's or the system's words; neither holds a secret. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = (error as { lastNodeError?: unknown }).lastNodeError;
  if (inner instanceof Error) return reasonOf(inner);
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  return (first instanceof Error ? first.message : error.message) || error.name;
}

function remedy(reason: string): string {
  if (/cluster support disabled/i.test(reason)) return 'it is a single server. Write redis:// instead of redis+cluster://';
  if (/^WRONGPASS|invalid password/i.test(reason)) return `${reason}. Correct the user name or password in the URL`;
  if (/^NOAUTH/.test(reason)) return `${reason} Put the password into the URL: redis://:password@host`;
  return reason;
}
