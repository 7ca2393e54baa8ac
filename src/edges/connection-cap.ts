import type { Server } from 'node:http';
import { isIPv6, type Socket } from 'node:net';

/**
 * Bounds how many connections one address has open, so that one client cannot take all there are. One more is closed at once, as those beyond
 * `connectionsMax` are: there is nothing yet that could be answered. Proxies that are believed about others are many clients, and not counted.
 */
export function capConnections(
  server: Server,
  options: { perAddressMax: number; isTrusted: (address: string) => boolean; refused: (address: string) => void },
): void {
  const { perAddressMax, isTrusted, refused } = options;
  const open = new Map<string, number>();
  // Before Node's own listener, which finds a closed socket then.
  server.prependListener('connection', (socket: Socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined || isTrusted(remoteAddress)) return;
    const network = networkOf(remoteAddress);
    const count = open.get(network) ?? 0;
    if (count >= perAddressMax) {
      refused(remoteAddress);
      socket.destroy();
      return;
    }
    open.set(network, count + 1);
    // Which comes once; `once` would make two things more of it, for as long as the connection is open.
    socket.on('close', () => {
      const left = (open.get(network) ?? 0) - 1;
      if (left > 0) open.set(network, left);
      else open.delete(network);
    });
  });
  server.on('drop', (dropped?: { remoteAddress?: string }) => refused(dropped?.remoteAddress ?? 'unknown'));
}

/** An IPv4 address, or the /64 of an IPv6 one: nobody is given less (RFC 6177, section 2). */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice('::ffff:'.length);
  const [plain = ''] = address.split('%');
  const [before = [], after = []] = plain.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  // RFC 4291, section 2.2: `::` stands for as many groups of zeros as are missing.
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}
