import { once } from 'node:events';
import type { SecureContextOptions } from 'node:tls';
import { type Cluster, Redis } from 'ioredis';
import { describeAddress, parseAddress } from './address.ts';
import type { Connection } from './connection.ts';
import { createClient } from './create-client.ts';
import { followFailovers } from './follow-failovers.ts';
import { runScript } from './run-script.ts';
import { countLives, watchLink } from './watch-link.ts';

export interface ConnectOptions {
  /** A command that has no answer by then is rejected. Default 2,000. */
  readonly commandTimeoutMs?: number;
  /** For TCP and TLS together. Default 2,000. */
  readonly connectTimeoutMs?: number;
  /** How long to try before openConnection gives up. Default 5,000. */
  readonly openMsMax?: number;
  /** Certificates for `rediss`, where the system's own do not do. */
  readonly tls?: SecureContextOptions;
}

/** A dedicated connection may block this long (XREAD BLOCK) before a command's own time begins. */
const blockMsMax = 1000;
const closeMsMax = 1000;

/**
 * Connects, and stays connected: a lost connection is made anew for as long as it takes. Meanwhile commands are rejected at once; nothing is
 * queued, and nothing that was in flight is sent a second time.
 * @throws Error without a secret, where the URL is wrong or the server cannot be reached or refuses the account
 */
export async function openConnection(url: string, options: ConnectOptions = {}): Promise<Connection> {
  const address = parseAddress(url);
  const { commandTimeoutMs = 2000, connectTimeoutMs = 2000, openMsMax = 5000, tls } = options;
  const lives = countLives();
  const client = createClient(address, { commandTimeoutMs, connectTimeoutMs, tls, queue: false, lives });
  const masters = (): Redis[] => (client instanceof Redis ? [client] : client.nodes('master'));
  const link = watchLink({ client, masters, place: describeAddress(address) });
  try {
    await link.opened(openMsMax);
  } catch (error) {
    link.stop();
    client.disconnect();
    throw error;
  }
  const dedicated = new Set<Redis>();
  const stopFollowing = followFailovers(address, {
    connectTimeoutMs,
    tls,
    onSwitch: () => {
      for (const one of [client, ...dedicated]) one.disconnect(true);
    },
  });
  const runAt: Connection['runAt'] = (script, keys, args) => runScript({ client, lives }, script, { keys, args });
  return {
    client,
    run: async (...script) => (await runAt(...script)).reply,
    runAt,
    dedicated: (): Redis | Cluster => {
      const own = createClient(address, { commandTimeoutMs: commandTimeoutMs + blockMsMax, connectTimeoutMs, tls, queue: true, lives });
      own.on('error', () => undefined);
      if (own instanceof Redis) {
        dedicated.add(own);
        own.on('end', () => dedicated.delete(own));
      }
      void own.connect().catch(() => undefined);
      return own;
    },
    masters,
    trouble: link.trouble,
    onLink: link.onLink,
    close: async () => {
      link.stop();
      stopFollowing();
      await closeClient(client);
    },
  };
}

/** Lets what was sent before be answered, as far as that takes no longer than a command may, and waits until the socket is closed. */
async function closeClient(client: Redis | Cluster): Promise<void> {
  await client.quit().catch(() => undefined);
  client.disconnect();
  // While it waits to connect again there is no socket, and nothing tells of its end.
  if (client.status === 'end' || client.status === 'reconnecting') return;
  await once(client, 'end', { signal: AbortSignal.timeout(closeMsMax) }).catch(() => undefined);
}
