import { Denial } from '../../../domain/denial.ts';
import type { Message, RequestMessage, ResponseMessage } from '../../../domain/message.ts';
import { asSessionRequest, asStatelessAnswer, wishesOf, withToken } from '../../../domain/session-form.ts';
import type { AnswerReceiver, UpstreamRequest } from '../../../ports/upstreams.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { carried } from './carried.ts';
import { afterwards, type Leg } from './leg.ts';
import { type OpenSession, sessionHeaders, tell } from './open-session.ts';
import { postHeaders } from './post-headers.ts';
import { rewriteAnswer, type WholeAnswer } from './rewrite-answer.ts';
import type { SessionUse } from './upstream-sessions.ts';

interface Call {
  readonly request: UpstreamRequest;
  readonly message: RequestMessage;
  readonly use: SessionUse;
}

/**
 * One stateless request in a session of the bridge's own. It is sent once; only where the upstream says that it knows no such session, and
 * so has done nothing, it is sent once more in a new one.
 */
export async function callInSession(ports: BridgePorts, leg: Leg, call: Call): Promise<void> {
  const { request, message } = call;
  if ((await attempt(ports, leg, call).finally(call.use.release)) === 'done') return;
  const use = await ports.sessions.use(request, { ...wishesOf(message), timeoutMs: request.headTimeoutMs });
  if (leg.over) return use.release();
  if ((await attempt(ports, leg, { request, message, use }).finally(use.release)) === 'lost') {
    throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream forgets each session that is opened.', facts: { upstreamStatus: 404 } });
  }
}

async function attempt(ports: BridgePorts, leg: Leg, { request, message, use }: Call): Promise<'done' | 'lost'> {
  const { promise, resolve } = Promise.withResolvers<'done' | 'lost'>();
  const { session } = use;
  const id = session.nextId();
  const sent = asSessionRequest(message, id);
  let answered = false;
  const over = (how: 'done' | 'lost'): void => {
    answered = true;
    resolve(how);
  };
  // Closing the stream is cancellation for the client (2026-07-28, cancellation); for the server it is a message.
  leg.onAbort(() => {
    if (!answered) tell(ports.upstreams, request, { session, body: cancellation(id) });
  });
  const receiver: AnswerReceiver = answering(ports, leg, {
    ...{ request, message, session, id },
    lost: (tooLate) => {
      use.lost();
      if (!tooLate) over('lost');
    },
  });
  leg.follow(
    ports.upstreams.dispatch(
      {
        ...request,
        ...{ body: sent.bytes, message: sent, era: 'session', ...(session.id === undefined ? {} : { session: session.id }) },
        headers: [...postHeaders, ...sessionHeaders(session), ...carried(request.headers)],
      },
      afterwards(receiver, () => over('done')),
    ),
  );
  return promise;
}

function cancellation(requestId: number): string {
  const params = { requestId, reason: 'The client has closed its stream.' };
  return JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
}

interface Answering {
  readonly request: UpstreamRequest;
  readonly message: RequestMessage;
  readonly session: OpenSession;
  readonly id: number;
  /** The upstream knows the session no more. `tooLate`: it may have done something all the same. */
  readonly lost: (tooLate: boolean) => void;
}

function answering(ports: BridgePorts, leg: Leg, { request, message, session, id, lost }: Answering): AnswerReceiver {
  const wishes = wishesOf(message);
  const own = message.bytes.toString('utf8', message.idSpan.start, message.idSpan.end);
  const answer = (response: ResponseMessage): Buffer => asStatelessAnswer(response, { id: own, method: message.method });
  return rewriteAnswer({
    receiver: leg,
    limits: ports.limits(),
    msMax: request.headTimeoutMs,
    abort: leg.stop,
    whole(whole) {
      const { status, headers, body } = whole;
      if (session.id !== undefined && status === 404) return lost(false);
      if (session.id !== undefined && isSessionUnknown(whole)) lost(true);
      const response = whole.message?.kind === 'response' && whole.message.id === id ? answer(whole.message) : undefined;
      const type = headers['content-type'] ?? 'application/octet-stream';
      leg.answer(status, { 'content-type': type }, response ?? withoutAnswer(whole.message) ?? body);
    },
    event(received) {
      if (received.kind === 'response') {
        if (received.id === id) return answer(received);
        throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream answered another request.' });
      }
      if (received.kind === 'request') return void answerServer(ports, request, { session, asked: received });
      if (received.method === 'notifications/progress') return withToken(received, { id, progressToken: wishes.progressToken });
      // Log messages are for whoever asked for them in the request itself; other changes are heard of by listening.
      return received.method === 'notifications/message' && wishes.logLevel !== undefined ? received.bytes : undefined;
    },
  });
}

/** An answer to some other request would pass for this one's, if its id happened to be the client's. */
function withoutAnswer(message: Message | undefined): Buffer | undefined {
  return message?.kind === 'response' && message.id !== null ? Buffer.from('null') : undefined;
}

/** Some servers say 400 of a session that has ended, with an error that has no id; only its text tells. */
function isSessionUnknown({ status, message, body }: WholeAnswer): boolean {
  const own = message?.kind === 'response' && message.id !== null;
  return status === 400 && !own && /session/i.test(body.toString('latin1', 0, 1_024));
}

/** The bridge has declared nothing that a server could ask for; `ping` alone needs no declaration (utilities, ping). */
export function answerServer(
  ports: Pick<BridgePorts, 'upstreams' | 'log'>,
  request: UpstreamRequest,
  { session, asked }: { session: OpenSession; asked: RequestMessage },
): void {
  const { idSpan, bytes, method } = asked;
  const id = bytes.toString('utf8', idSpan.start, idSpan.end);
  if (method !== 'ping')
    ports.log.warn('a server request was refused by the bridge', { upstream: request.upstream, method: method.slice(0, 64) });
  const error = {
    code: -32601,
    message: 'The client speaks 2026-07-28, in which servers make no requests. It has declared no such capability.',
  };
  const body = method === 'ping' ? '"result":{}' : `"error":${JSON.stringify(error)}`;
  tell(ports.upstreams, request, { session, body: `{"jsonrpc":"2.0","id":${id},${body}}` });
}
