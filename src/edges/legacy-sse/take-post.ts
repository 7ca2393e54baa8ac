import { Denial } from '../../domain/denial.ts';
import type { Message } from '../../domain/message.ts';
import { sessionVersions, statelessVersion } from '../../domain/method.ts';
import { authenticate } from '../../stages/authenticate.ts';
import type { Reached, Received } from '../../stages/reached.ts';
import { refuse } from '../../stages/refuse.ts';
import { stand } from '../../stages/stand.ts';
import type { CapturedAnswer } from '../captured-reply.ts';
import type { Connection } from './connection.ts';
import type { LegacyParts } from './open-stream.ts';
import { streamBound } from './stream-bound.ts';

/** Messages of one stream that are under way at a time: a POST is answered before its message is, so connections do not bound them. */
const messagesPerStreamMax = 128;

/**
 * Takes one message of an open stream. A request is answered 202 as soon as it is known whose it is and that it is one, and what the gateway
 * answers goes out on the stream, refusals too. What asks for no answer is answered once it was taken or refused, so that what the client
 * sends next does not overtake it. What is refused before is the POST's own answer.
 */
export async function takePost(parts: LegacyParts, received: Received, sealed: string): Promise<void> {
  const { ports, serve } = parts;
  let reached: Reached = received;
  let connection: Connection;
  let message: Message;
  try {
    const request = await authenticate(ports, received);
    reached = request;
    stand(request);
    connection = connectionOf(parts, { sealed, keyId: request.caller.key.id, path: request.path });
    message = messageOf(request);
    requireRoom(connection, request.policy.limits);
  } catch (thrown) {
    return refuse(ports, reached, thrown);
  }
  connection.newest = inSession(connection, received);
  if (message.kind === 'request') answerPost(received, { status: 202 });
  const begins = message.kind === 'request' && message.method === 'initialize';
  const sent = connection.send(serve, connection.newest, (status, headers) => {
    const session = headers['mcp-session-id'];
    if (begins && status === 200 && typeof session === 'string') connection.session = session;
  });
  const { status, headers, body } = await sent.ended;
  if (message.kind !== 'request') answerPost(received, { status: status ?? 202, headers, body });
  // An event stream went out as it came.
  else if (body.length > 0) connection.deliver(body);
  const isInitialized = message.kind === 'notification' && message.method === 'notifications/initialized';
  if (isInitialized && status === 202) listen(parts, connection);
}

/** Whoever asks on and does not read what comes would have it all kept here (A15). */
function requireRoom({ running, untaken }: Connection, { answerBytesMax }: Received['policy']['limits']): void {
  if (running.size >= messagesPerStreamMax) throw new Denial('OVERLOADED', { facts: { limit: messagesPerStreamMax } });
  if (untaken <= answerBytesMax) return;
  throw new Denial('OVERLOADED', {
    detail: 'The answers on this stream are not being read: read them first.',
    facts: { limit: answerBytesMax },
  });
}

function answerPost({ reply }: Received, { status, headers = {}, body }: Partial<CapturedAnswer> & { status: number }): void {
  if (reply.closed) return;
  const { 'mcp-session-id': _session, ...others } = headers;
  reply.head(status, { 'content-length': '0', ...others });
  reply.end(body);
}

function connectionOf(
  { ports, connections }: LegacyParts,
  { sealed, keyId, path }: { sealed: string; keyId: string; path: string },
): Connection {
  const id = ports.seal.open({ purpose: 'stream', bound: streamBound(keyId, path), sealed });
  const connection = id === undefined ? undefined : connections.get(id);
  if (connection) return connection;
  throw new Denial('SESSION_NOT_FOUND', {
    detail:
      'This stream is not open here: it has ended, is of another key or path, or lives in another replica, and a load balancer must send its POSTs there. Open it again.',
  });
}

function messageOf({ headers, scanned }: Received): Message {
  if (headers['mcp-protocol-version'] === statelessVersion) {
    throw new Denial('UNSUPPORTED_VERSION', { facts: { supported: [...sessionVersions].reverse(), requested: statelessVersion } });
  }
  if (!scanned) throw new Denial('INVALID_MESSAGE');
  if (!scanned.ok) throw new Denial(scanned.reason, { detail: scanned.detail });
  return scanned.message;
}

/** The session of this transport is its stream: the client knows no other name of it. */
function inSession({ session }: Connection, received: Received): Received {
  const { 'mcp-session-id': _named, 'last-event-id': _event, ...headers } = received.headers;
  return { ...received, headers: session === undefined ? headers : { ...headers, 'mcp-session-id': session } };
}

/** Opens the upstream's own stream, once, for what it has to say unasked. An upstream that has none says so, and nothing is lost. */
function listen({ serve }: LegacyParts, connection: Connection): void {
  if (connection.listened) return;
  connection.listened = true;
  const opening: Received = { ...connection.newest, verb: 'GET', scanned: undefined };
  const stream = connection.send(serve, opening, (status) => {
    connection.listening = status === 200;
  });
  void stream.ended.then(() => {
    connection.listening = false;
  });
}
