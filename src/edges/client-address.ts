import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Tells whose address a request came from. Only proxies named in `listen.trustedProxies` are believed about others. */
export type ClientAddress = (incoming: IncomingMessage) => string;

/** Whether an address is one of the proxies that are believed. @param trustedProxies CIDR blocks or single addresses */
export function createTrust(trustedProxies: readonly string[]): (address: string) => boolean {
  const trusted = new BlockList();
  for (const block of trustedProxies) {
    const [address = '', bits] = block.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(bits), family);
  }
  return (claimed) => {
    const address = plain(claimed);
    return trustedProxies.length > 0 && isIP(address) !== 0 && trusted.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  };
}

/** @param trustedProxies CIDR blocks or single addresses */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const isTrusted = createTrust(trustedProxies);
  return (incoming) => {
    let address = plain(incoming.socket.remoteAddress ?? 'unknown');
    if (trustedProxies.length === 0 || !isTrusted(address)) return address;
    const claims = String(incoming.headers['x-forwarded-for'] ?? '').split(',');
    // From the right: each hop is believed only while the one that reported it is trusted.
    for (const claim of claims.reverse()) {
      const hop = plain(claim.trim());
      if (isIP(hop) === 0) return address;
      address = hop;
      if (!isTrusted(hop)) return address;
    }
    return address;
  };
}

/** An IPv4 address that came in over an IPv6 socket is still an IPv4 address. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
