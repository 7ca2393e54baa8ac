import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { Denial } from '../../domain/denial.ts';
import type { Policy } from '../../domain/policy.ts';
import { isLoopbackHost, refuseAmbiguousHeaders } from '../../stages/http-form.ts';

/**
 * The HTTP form of every request of the API. A browser's `Origin` is refused outright: this API has no cookies and no CORS, so no page has
 * business here, and a page that got here by rebinding a name is told by its `Host` (A16).
 * @param adminHost the host that the admin listener is configured for; undefined on the data listener
 * @throws Denial INVALID_MESSAGE, ORIGIN_NOT_ALLOWED
 */
export function refuseBadForm(incoming: IncomingMessage, options: { policy: Policy; adminHost: string | undefined }): void {
  refuseAmbiguousHeaders(incoming);
  const { host, origin } = incoming.headers;
  if (origin !== undefined) throw new Denial('ORIGIN_NOT_ALLOWED', { detail: 'This API is not for web pages.' });
  if (host === undefined || !isOwnHost(host.toLowerCase(), incoming, options)) {
    throw new Denial('ORIGIN_NOT_ALLOWED', {
      detail: 'The Host header names neither the public URL, nor this listener, nor a loopback name.',
    });
  }
}

function isOwnHost(
  host: string,
  incoming: IncomingMessage,
  { policy, adminHost }: { policy: Policy; adminHost: string | undefined },
): boolean {
  const name = host.replace(/:[0-9]{1,5}$/, '');
  if (isLoopbackHost(host) || policy.hosts.has(host)) return true;
  if (adminHost === undefined) return false;
  // Only names can be rebound: an address that the request really came in at is its own proof, also where every address is listened on.
  const address = name.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0) return address === plain(incoming.socket.localAddress ?? '');
  return name === adminHost.toLowerCase() || [...policy.hosts].some((known) => known.replace(/:[0-9]{1,5}$/, '') === name);
}

function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
