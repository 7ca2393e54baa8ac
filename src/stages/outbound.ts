import { decodeHeaderValue, encodeHeaderValue } from '../domain/header-value.ts';
import type { Message, RequestMessage } from '../domain/message.ts';
import { nameHeaderMember } from '../domain/method.ts';
import type { Upstream } from '../domain/policy.ts';
import { redact } from '../domain/redact.ts';
import { scan } from '../domain/scan.ts';
import type { Caller } from '../ports/callers.ts';
import type { UpstreamRequest } from '../ports/upstreams.ts';
import { waits } from './is-stream.ts';
import type { Ports } from './ports.ts';
import type { Admitted } from './reached.ts';

/** Client headers that mean something to an upstream. Everything else stays here: credentials, cookies, Origin, forwarding claims. */
const passed = ['traceparent', 'tracestate', 'baggage'] as const;
const version = 'mcp-protocol-version';

/** The one request the upstream gets: the scanned bytes, the upstream's own credential, and who is behind it. A promise only where that has to be signed first. */
export function outbound(ports: Pick<Ports, 'assertions'>, admitted: Admitted): UpstreamRequest | Promise<UpstreamRequest> {
  const { policy, upstream, caller } = admitted;
  const target = policy.upstreams.get(upstream.name);
  if (!target) throw new Error(`upstream ${upstream.name} is not configured`);
  // A child on pipes gets no headers, so nobody there could read it.
  if (target.transport === 'stdio') return requestTo(target, admitted, undefined);
  const assertion = ports.assertions.sign({ key: caller.key, scopes: tokenScopes(caller), audience: target.url });
  return assertion instanceof Promise
    ? assertion.then((signed) => requestTo(target, admitted, signed))
    : requestTo(target, admitted, assertion);
}

function requestTo(target: Upstream, admitted: Admitted, assertion: string | undefined): UpstreamRequest {
  const { verb, intent, session, policy, upstream, caller, headers: sent, requestId } = admitted;
  const headers: string[] = ['accept', verb === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream'];
  const body = bodyOf(intent);
  if (body) headers.push('content-type', 'application/json');
  // One of the versions that there are: its era was judged.
  if (typeof sent[version] === 'string') headers.push(version, sent[version]);
  for (const name of passed) {
    const value = sent[name];
    // A key in the wrong header is still a key (A10).
    if (typeof value === 'string' && redact(value) === value) headers.push(name, value);
  }
  if (admitted.era === 'stateless') headers.push(...mirrorHeaders(admitted));
  if (session !== undefined) headers.push('mcp-session-id', session);
  if (intent.kind === 'stream' && intent.resumed) headers.push('last-event-id', intent.resumed.eventId);
  headers.push('accept-encoding', 'identity', 'x-request-id', requestId);
  if (assertion !== undefined) headers.push('x-keygate-assertion', assertion);
  headers.push(...target.credentials);
  return {
    upstream: upstream.name,
    url: target.url,
    method: verb,
    headers,
    body,
    message: messageOf(intent, policy.limits),
    era: admitted.era,
    session,
    keyId: caller.key.id,
    headTimeoutMs: policy.limits.upstreamTimeoutMs,
    silenceTimeoutMs: waits(intent) ? 0 : policy.limits.upstreamTimeoutMs,
    long: waits(intent),
  };
}

/** The upstream is not told of scopes that the access token has not. */
function tokenScopes({ accessToken, scopes }: Caller): readonly string[] | undefined {
  return accessToken ? [...scopes.texts] : undefined;
}

/**
 * The headers that mirror the body in 2026-07-28. Mcp-Method is written from the body (clients leave it out of notifications).
 * Mcp-Name follows the body that is forwarded (I4): the client's own spelling where it says the same, else the body's name.
 * Mcp-Param-* are compared by the upstream, which knows the tool. In the session era the same headers would be a second opinion
 * on what is called, so none are sent.
 */
function mirrorHeaders({ intent, headers: sent }: Admitted): string[] {
  if (intent.kind !== 'request' && intent.kind !== 'notification') return [];
  const { method } = intent.message;
  const headers = ['mcp-method', method];
  const named = intent.kind === 'request' ? nameHeader(intent.message, sent['mcp-name']) : undefined;
  if (named !== undefined) headers.push('mcp-name', named);
  for (const name in sent) if (name.startsWith('mcp-param-') && typeof sent[name] === 'string') headers.push(name, sent[name]);
  return headers;
}

function nameHeader(message: RequestMessage, sent: unknown): string | undefined {
  const member = nameHeaderMember(message.method);
  const name = member && message.params[member];
  if (typeof sent !== 'string' || name === undefined) return undefined;
  return decodeHeaderValue(sent) === name ? sent : encodeHeaderValue(name);
}

/** The message that `bodyOf` gives the bytes of. An answer's bytes were spliced, so its places are read anew. */
function messageOf(intent: Admitted['intent'], { jsonDepthMax, jsonNodesMax }: Admitted['policy']['limits']): Message | undefined {
  if (intent.kind === 'request' || intent.kind === 'notification') return intent.message;
  if (intent.kind !== 'answer') return undefined;
  const scanned = scan(intent.body, { depthMax: jsonDepthMax, nodesMax: jsonNodesMax });
  return scanned.ok ? scanned.message : undefined;
}

function bodyOf(intent: Admitted['intent']): Buffer | undefined {
  if (intent.kind === 'request' || intent.kind === 'notification') return intent.message.bytes;
  return intent.kind === 'answer' ? intent.body : undefined;
}
