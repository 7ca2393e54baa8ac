import { type BridgedSession, metaTexts, noSession, openBridgedSession, readBridgedSession } from '../../../domain/bridged-session.ts';
import { Denial } from '../../../domain/denial.ts';
import { initializeAnswer } from '../../../domain/introduction.ts';
import type { NotificationMessage, RequestMessage, ResponseMessage } from '../../../domain/message.ts';
import { statelessVersion } from '../../../domain/method.ts';
import { asStateless } from '../../../domain/stateless-form.ts';
import type { UpstreamRequest } from '../../../ports/upstreams.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { callStateless, runningKey } from './call-stateless.ts';
import { carried } from './carried.ts';
import type { Leg } from './leg.ts';
import { listenStateless } from './listen-stateless.ts';
import { postHeaders } from './post-headers.ts';
import { askDiscover } from './questions.ts';

/** What a session client may ask that 2026-07-28 has nothing for, and what it can do instead. */
const unbridged: ReadonlyMap<string, string> = new Map([
  ['logging/setLevel', 'the level of log messages is said with each call there, and no table of sessions is kept here'],
  ['resources/subscribe', 'subscriptions belong to one stream there, and no table of sessions is kept here; list changes do come'],
  ['resources/unsubscribe', 'subscriptions belong to one stream there, and no table of sessions is kept here'],
]);

/** A session client in front of a server of 2026-07-28: what the session said once is in its id, and goes with each request. */
export async function serveSession(ports: BridgePorts, leg: Leg, request: UpstreamRequest): Promise<void> {
  const session = readBridgedSession(request.session) ?? noSession;
  const { message } = request;
  // There is nothing to end: the session is its own id.
  if (request.method === 'DELETE') return leg.answer(200, {});
  if (request.method === 'GET') return listenStateless(ports, leg, { request, session });
  if (message?.kind === 'request') return serveRequest(ports, leg, { request, message, session });
  if (message?.kind === 'notification') return serveNotification(ports, leg, { request, message, session });
  throw new Denial('INVALID_MESSAGE', { detail: 'This response answers no request of this session.' });
}

async function serveRequest(
  ports: BridgePorts,
  leg: Leg,
  { request, message, session }: { request: UpstreamRequest; message: RequestMessage; session: BridgedSession },
): Promise<void> {
  const { method, idSpan, bytes } = message;
  if (method === 'ping') {
    return leg.answer(200, {}, Buffer.from(`{"jsonrpc":"2.0","id":${bytes.toString('utf8', idSpan.start, idSpan.end)},"result":{}}`));
  }
  if (method === 'initialize') {
    const discovered = await askDiscover(ports.upstreams, request, request.headTimeoutMs);
    if (discovered?.said === 'yes') return introduce(ports, leg, { request, message, discovered: discovered.answer });
    ports.eras.doubt(request, 'session');
    throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream does not answer server/discover.', facts: { outcome: 'not-sent' } });
  }
  if (message.params.task) {
    throw new Denial('INVALID_MESSAGE', {
      detail: 'Tasks of the session era are not bridged: call without params.task.',
      facts: { outcome: 'not-sent' },
    });
  }
  const why = unbridged.get(method) ?? (method.startsWith('tasks/') ? 'tasks of the session era are not bridged' : undefined);
  if (why !== undefined) {
    const detail = `This server speaks 2026-07-28 alone: ${why}.`;
    throw new Denial('UNKNOWN_METHOD', { detail, facts: { method, upstreamProtocol: 'stateless', outcome: 'not-sent' } });
  }
  return callStateless(ports, leg, { request, message, session });
}

/** The answer to `initialize`, with a session that is all in its id. */
export function introduce(
  ports: Pick<BridgePorts, 'newId'>,
  leg: Leg,
  { request, message, discovered }: { request: UpstreamRequest; message: RequestMessage; discovered: ResponseMessage },
): void {
  const { start, end } = message.idSpan;
  const options = { id: message.bytes.toString('utf8', start, end), asked: message.params.protocolVersion, upstream: request.upstream };
  leg.answer(200, { 'mcp-session-id': openBridgedSession(message, ports.newId()) }, initializeAnswer(discovered, options));
}

/** What a session's notifications tell is known already, or is about what the bridge never asked. A cancellation closes the stream of its call. */
const taken: ReadonlySet<string> = new Set([
  'notifications/initialized',
  'notifications/cancelled',
  'notifications/progress',
  'notifications/roots/list_changed',
]);

function serveNotification(
  ports: BridgePorts,
  leg: Leg,
  { request, message, session }: { request: UpstreamRequest; message: NotificationMessage; session: BridgedSession },
): void {
  const { method, params } = message;
  if (method === 'notifications/cancelled' && params.cancels) ports.running.get(runningKey(request, params.cancels.id))?.();
  if (taken.has(method)) {
    leg.answer(202, {});
    return;
  }
  // Only such as the operator's rules name.
  const sent = asStateless(message, metaTexts(session));
  const { session: _, ...rest } = request;
  const headers = [...postHeaders, 'mcp-protocol-version', statelessVersion, 'mcp-method', method, ...carried(request.headers)];
  leg.follow(ports.upstreams.dispatch({ ...rest, body: sent.bytes, message: sent, era: 'stateless', headers }, leg));
}
