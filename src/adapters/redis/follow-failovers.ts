import type { SecureContextOptions } from 'node:tls';
import { Redis } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { retryAfter } from './create-client.ts';

/**
 * Listens to the Sentinels, and calls back when they have made another server the master. The old one may be alive, take writes for seconds
 * more, and lose all of them when it becomes a replica: nobody should go on talking to it.
 * @returns ends the listening
 */
export function followFailovers(
  address: RedisAddress,
  { connectTimeoutMs, tls, onSwitch }: { connectTimeoutMs: number; tls: SecureContextOptions | undefined; onSwitch: () => void },
): () => void {
  if (address.kind !== 'sentinel') return () => undefined;
  const listeners = address.nodes.map((node) => {
    const listener = new Redis({
      ...node,
      ...(address.sentinelUsername === undefined ? {} : { username: address.sentinelUsername }),
      ...(address.sentinelPassword === undefined ? {} : { password: address.sentinelPassword }),
      ...(address.tls ? { tls: { ...tls } } : {}),
      connectTimeout: connectTimeoutMs,
      retryStrategy: retryAfter,
      protocol: 2,
      enableReadyCheck: false,
      disableClientInfo: true,
      maxRetriesPerRequest: 0,
    });
    // A Sentinel that cannot be heard costs nothing but the warning it would have given.
    listener.on('error', () => undefined);
    listener.on('ready', () => void listener.subscribe('+switch-master').catch(() => undefined));
    // `<name> <old address> <old port> <new address> <new port>`
    listener.on('message', (_channel: string, text: string) => {
      if (text.split(' ')[0] === address.master) onSwitch();
    });
    return listener;
  });
  return () => {
    for (const listener of listeners) listener.disconnect();
  };
}
