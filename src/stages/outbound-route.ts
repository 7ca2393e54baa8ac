import { redact } from '../domain/redact.ts';
import type { PassRequest } from '../ports/passthrough.ts';
import type { Ports } from './ports.ts';
import type { RouteAdmitted } from './route-reached.ts';

/**
 * Client headers that go on: what is asked for, in what form, under which condition. Everything else stays here: credentials, cookies, Origin,
 * forwarding claims, method overrides, and whatever a server might take for one of keygate's own (A10, A11, A13).
 */
const passed = [
  ...['accept', 'accept-encoding', 'accept-language', 'content-type', 'content-encoding', 'content-language', 'cache-control'],
  ...['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range', 'range', 'prefer', 'idempotency-key'],
  ...['traceparent', 'tracestate', 'baggage', 'user-agent'],
] as const;

const upgrade = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol', 'sec-websocket-extensions'] as const;

/** The one request the upstream gets, with its own credential in place of the caller's. */
export async function outboundRoute(ports: Pick<Ports, 'assertions'>, admitted: RouteAdmitted): Promise<PassRequest> {
  const { policy, upstream, caller, headers: sent, requestId, body, verb, sentPath, query, upgrading } = admitted;
  const target = policy.upstreams.get(upstream.name);
  if (!target) throw new Error(`upstream ${upstream.name} is not configured`);
  const headers: Record<string, string> = {};
  for (const name of upgrading ? [...passed, ...upgrade] : passed) {
    const value = sent[name];
    // A key in the wrong header is still a key.
    if (typeof value === 'string' && redact(value) === value) headers[name] = value;
  }
  if (body.length > 0 || verb === 'POST' || verb === 'PUT' || verb === 'PATCH') headers['content-length'] = String(body.length);
  if (upgrading) Object.assign(headers, { connection: 'Upgrade', upgrade: 'websocket' });
  headers['x-request-id'] = requestId;
  const scopes = caller.accessToken ? { scopes: [...caller.scopes.texts] } : {};
  headers['x-keygate-assertion'] = await ports.assertions.sign({ key: caller.key, ...scopes, audience: target.url });
  for (let at = 0; at + 1 < target.credentials.length; at += 2) headers[target.credentials[at] ?? ''] = target.credentials[at + 1] ?? '';
  return {
    ...{ upstream: upstream.name, url: target.url, method: verb, path: sentPath + query, headers, body },
    headTimeoutMs: policy.limits.upstreamTimeoutMs,
    silenceTimeoutMs: policy.limits.upstreamTimeoutMs,
    ...(upgrading && { upgrading }),
  };
}
