import { isIP, isIPv6 } from 'node:net';
import type { Reading } from './problems.ts';

export interface Listen {
  /** A name or an address, IPv6 without brackets. */
  host: string;
  /** 0 = any free port. */
  port: number;
}

/** `127.0.0.1:8080`, `[::1]:0`, `localhost:8080`. */
export function readListen(text: string): Reading<Listen> {
  const hint = 'write host:port, such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080';
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text);
  if (!match) return { message: 'must be host:port', hint };
  const port = Number(match[3]);
  if (port > 65535) return { message: 'has a port above 65535', hint };
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined && !isIPv6(host)) return { message: 'has no IPv6 address between its brackets', hint };
  const numeric = /^[0-9.]+$/.test(host);
  if (match[1] === undefined && !(numeric ? isIP(host) === 4 : isHostName(host))) return { message: 'has no valid host', hint };
  return { value: { host: host.toLowerCase(), port } };
}

/** RFC 1123 section 2.1. */
function isHostName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(text);
}

/** Two listeners that cannot be open together, or that would be the same: equal ports on equal or wildcard hosts. */
export function listenersCollide(a: Listen, b: Listen): boolean {
  const wild = (host: string): boolean => host === '0.0.0.0' || host === '::';
  return a.port !== 0 && a.port === b.port && (a.host === b.host || wild(a.host) || wild(b.host));
}

/** `http://` and a listener's own address, as a default for publicUrl. */
export function urlOfListen({ host, port }: Listen): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}

/**
 * An http or https URL without credentials, query or fragment: those end up in logs, metadata and error texts, and a query would carry a
 * secret there. A path is allowed. `hint` says where a secret belongs instead.
 */
export function readHttpUrl(text: string, hint?: string): Reading<URL> {
  const advice = hint === undefined ? {} : { hint };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:\/\/[^/]/i.test(text)) return { message: 'must be an http or https URL' };
  if (/[\s\\]/.test(text)) return { message: 'must not contain white space or a backslash' };
  if (url.username !== '' || url.password !== '' || /^https?:\/\/[^/?#]*@/i.test(text))
    return { message: 'must not contain a user name or password', ...advice };
  if (text.includes('#')) return { message: 'must not have a fragment' };
  if (text.includes('?')) return { message: 'must not have a query', ...advice };
  return { value: url };
}

/** An IPv4 or IPv6 network in CIDR form (RFC 4632, RFC 4291 section 2.3). */
export function readCidr(text: string): Reading<string> {
  const match = /^([0-9a-fA-F:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const family = isIP(match?.[1] ?? '');
  if (match && family !== 0 && Number(match[2]) <= (family === 4 ? 32 : 128)) return { value: text.toLowerCase() };
  const bare = isIP(text);
  return {
    message: 'must be a network in CIDR form',
    hint: bare === 0 ? 'such as 10.0.0.0/8 or fd00::/8' : `add /${bare === 4 ? 32 : 128} for one address`,
  };
}

/** A browser origin (RFC 6454 section 6): scheme, host and, where it is not the scheme's own, port. `null` and `*` are none. */
export function readOrigin(text: string): Reading<string> {
  if (/^(?:chrome-extension|moz-extension|safari-web-extension|vscode-webview):\/\/[a-z0-9-]+$/.test(text)) return { value: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.origin === text) return { value: text };
  return {
    message: 'must be one exact origin',
    hint: 'scheme, host and port only, in lower case, without a slash at the end: https://app.example.com',
  };
}
