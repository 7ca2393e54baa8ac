import { Denial } from '../../../domain/denial.ts';
import { discoverAnswer } from '../../../domain/introduction.ts';
import type { Message, RequestMessage } from '../../../domain/message.ts';
import { wishesOf } from '../../../domain/session-form.ts';
import type { UpstreamRequest } from '../../../ports/upstreams.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { callInSession } from './call-in-session.ts';
import { carried } from './carried.ts';
import { afterwards, type Leg } from './leg.ts';
import { listenInSession } from './listen-in-session.ts';
import { sessionHeaders } from './open-session.ts';
import { postHeaders } from './post-headers.ts';

/** A stateless client in front of a server of sessions: the bridge holds the session that the client does not know of. */
export async function serveStateless(ports: BridgePorts, leg: Leg, request: UpstreamRequest): Promise<void> {
  const { message } = request;
  if (message?.kind === 'request') return serveRequest(ports, leg, request, message);
  // Closing the stream is what cancels a call here, and the bridge passes it on; what the notification says comes on top of that.
  if (message?.kind === 'notification' && message.method === 'notifications/cancelled') return leg.answer(202, {});
  if (message?.kind === 'notification') return serveNotification(ports, leg, request, message);
  throw new Denial('METHOD_NOT_ALLOWED', { detail: 'Protocol 2026-07-28 has no GET or DELETE.' });
}

async function serveRequest(ports: BridgePorts, leg: Leg, request: UpstreamRequest, message: RequestMessage): Promise<void> {
  const { method } = message;
  if (method.startsWith('tasks/')) {
    throw new Denial('UNKNOWN_METHOD', {
      detail: 'This server speaks a protocol version with sessions, and its tasks are not bridged to 2026-07-28.',
      facts: { method, upstreamProtocol: 'session' },
    });
  }
  if (method === 'subscriptions/listen') return listenInSession(ports, leg, request, message);
  const use = await ports.sessions.use(request, { ...wishesOf(message), timeoutMs: request.headTimeoutMs });
  if (leg.over) return use.release();
  if (method !== 'server/discover') return callInSession(ports, leg, { request, message, use });
  use.release();
  const { start, end } = message.idSpan;
  return leg.answer(200, {}, discoverAnswer(use.session.introduced, message.bytes.toString('utf8', start, end)));
}

/** Only such as the operator's rules name. */
async function serveNotification(ports: BridgePorts, leg: Leg, request: UpstreamRequest, message: Message): Promise<void> {
  const use = await ports.sessions.use(request, { timeoutMs: request.headTimeoutMs });
  leg.onAbort(use.release);
  const { id } = use.session;
  leg.follow(
    ports.upstreams.dispatch(
      {
        ...request,
        ...{ body: message.bytes, message, era: 'session', ...(id === undefined ? {} : { session: id }) },
        headers: [...postHeaders, ...sessionHeaders(use.session), ...carried(request.headers)],
      },
      afterwards(leg, use.release),
    ),
  );
}
