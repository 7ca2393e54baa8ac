import type { SecureContextOptions } from 'node:tls';
import { Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { BoundedCluster } from './bounded-cluster.ts';
import type { Lives } from './watch-link.ts';

const retryMsMax = 1000;
/** Options of a client whose replies have the same form under RESP2 and RESP3. */
type PlainOptions = RedisOptions & { replyMapping?: 'legacy' };

/** A socket on which something was asked and nothing came for this much longer than a command may take is half open: it is made anew. */
const silenceSlackMs = 250;

/**
 * A client that is not connected yet. It connects again for as long as it takes, at least once a second, and sends nothing twice.
 * @param options.queue  whether commands wait for the connection, within their time, or are rejected while there is none
 */
export function createClient(
  address: RedisAddress,
  options: { commandTimeoutMs: number; connectTimeoutMs: number; tls: SecureContextOptions | undefined; queue: boolean; lives: Lives },
): Redis | BoundedCluster {
  const { commandTimeoutMs, connectTimeoutMs, tls, queue, lives } = options;
  const common = {
    ...(address.username === undefined ? {} : { username: address.username }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls ? { tls: { ...tls } } : {}),
    commandTimeout: commandTimeoutMs,
    connectTimeout: connectTimeoutMs,
    socketTimeout: commandTimeoutMs + silenceSlackMs,
    disconnectTimeout: silenceSlackMs,
    lazyConnect: true,
    // RESP2 has all that is used here, and needs no HELLO, which proxies and access lists may refuse.
    protocol: 2,
    connectionName: 'keygate',
    disableClientInfo: true,
    maxLoadingRetryTime: retryMsMax,
    // What was in flight when the connection broke is rejected there and then: it may have run, so it is not sent again.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // A master that became a replica: connecting anew finds the new one.
    reconnectOnError: (error: Error) => /(?:^|[\s-])(?:READONLY|UNBLOCKED) /.test(error.message),
  } as const satisfies RedisOptions;
  if (address.kind === 'cluster') {
    const cluster = {
      redisOptions: common,
      lazyConnect: true,
      enableOfflineQueue: queue,
      clusterRetryStrategy: retryAfter,
      slotsRefreshTimeout: connectTimeoutMs,
      // A slot that moves costs up to four in each tenth of a second: the time of the command is to end the trying, not their number.
      maxRedirections: Math.ceil(commandTimeoutMs / 25),
      // Certificates name hosts, so with TLS a host is not turned into its address.
      ...(address.tls ? { dnsLookup: (host: string, callback: (error: null, found: string) => void) => callback(null, host) } : {}),
    } as const;
    return new BoundedCluster([...address.nodes], cluster, { commandTimeout: commandTimeoutMs, lives });
  }
  const place: PlainOptions = address.kind === 'single' ? { ...address.nodes[0] } : sentinelOptions(address, options);
  const client = new Redis({ ...common, ...place, db: address.db, retryStrategy: retryAfter, enableOfflineQueue: queue });
  lives.watch(client);
  return client;
}

function sentinelOptions(
  { nodes, master, tls, sentinelUsername, sentinelPassword }: RedisAddress,
  options: { connectTimeoutMs: number; tls: SecureContextOptions | undefined },
): PlainOptions {
  return {
    sentinels: nodes.map((node) => ({ ...node })),
    name: master ?? '',
    ...(sentinelUsername === undefined ? {} : { sentinelUsername }),
    ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
    sentinelCommandTimeout: options.connectTimeoutMs,
    sentinelRetryStrategy: retryAfter,
    ...(tls ? { enableTLSForSentinelMode: true, sentinelTLS: { ...options.tls } } : {}),
  };
}

export function retryAfter(times: number): number {
  return Math.min(50 * 2 ** Math.min(times - 1, 10), retryMsMax);
}
