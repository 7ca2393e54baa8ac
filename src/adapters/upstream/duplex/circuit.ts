import { Denial } from '../../../domain/denial.ts';
import type { Message, RequestMessage, ResponseMessage } from '../../../domain/message.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamRequest } from '../../../ports/upstreams.ts';
import { createCalls, refuse } from './calls.ts';
import { createIncoming, type Sharing } from './incoming.ts';
import type { OpenLink } from './link.ts';
import { answerStatus } from './local-answer.ts';
import { outgoing } from './outgoing.ts';
import { createOutlet, type Outlet } from './outlet.ts';
import { createSession, type Session } from './session.ts';
import { createShared, type Served } from './shared.ts';

/** One link and the sessions on it. */
export interface Circuit {
  readonly sharing: Sharing;
  /** Requests it waits for; those of clients that left meanwhile count too. */
  readonly running: number;
  /** Since when nobody has used it, where it is for one session or one key; undefined while somebody does. */
  readonly restingSince: number | undefined;
  /** Whether this is a session of that key here. */
  has(sessionId: string, keyId: string): boolean;
  /** Begins a session with the client's `initialize`. @throws Denial OVERLOADED */
  initialize(request: UpstreamRequest, message: RequestMessage, receiver: AnswerReceiver): UpstreamExchange;
  /** Carries one message. @param session absent where callers have none */
  post(request: UpstreamRequest, message: Message, receiver: AnswerReceiver, session?: string): UpstreamExchange;
  /** Opens a session's own stream. */
  listen(sessionId: string, receiver: AnswerReceiver): UpstreamExchange;
  endSession(sessionId: string): void;
  /** Ends it once what runs has ended; nothing new may come. */
  retire(): void;
  close(): Promise<void>;
  kill(): void;
}

interface CircuitOptions {
  readonly sharing: Sharing;
  readonly open: OpenLink;
  /** Of the request that it is opened for. */
  readonly first: UpstreamRequest;
  readonly idleMs: number;
  readonly startTimeoutMs: number;
  readonly sessionsMax: number;
  readonly newId: () => string;
  /** Called once, when it has ended and its link is ending, never while it is being made. `lost` where nobody here ended it. */
  readonly onEnded: (ended: { lost: boolean }) => void;
}

export function createCircuit(options: CircuitOptions): Circuit {
  const { sharing, idleMs, startTimeoutMs, newId, first } = options;
  const sessions = new Map<string, Session>();
  let ended = false;
  let retiring = false;
  let idle: NodeJS.Timeout | undefined;
  const send = (bytes: Buffer): void => link.send(bytes, first.headers, () => undefined);
  /** A link that nobody uses is kept for a while where the next caller may use it too. */
  const rest = (): void => {
    clearTimeout(idle);
    if (ended || calls.size > 0) return;
    if (retiring) return void circuit.close();
    if (sessions.size > 0) return;
    if (sharing === 'own') return void circuit.close();
    idle = setTimeout(() => void circuit.close(), idleMs);
    idle.unref();
  };
  const calls = createCalls({ link: () => link, headers: first.headers, onEmpty: rest });
  const incoming = createIncoming({ sharing, calls, sessions, reply: send });
  const shared = sharing === 'shared' ? createShared({ calls, sessions, send }) : undefined;

  const finish = (lost: boolean): void => {
    if (ended) return;
    ended = true;
    clearTimeout(idle);
    calls.failAll({ kind: 'reset', sent: true, cause: new Error('the upstream has ended') });
    for (const session of sessions.values()) session.close();
    sessions.clear();
    options.onEnded({ lost });
  };
  const link = options.open(
    {
      onMessage(message) {
        if (ended) return;
        if (message.kind === 'response') calls.answered(message);
        else if (message.kind === 'request') incoming.request(message);
        else incoming.notification(message);
      },
      onBroken: (id) => calls.broken(id),
      onClosed: () => finish(true),
    },
    first.headers,
  );
  /** What must be done before the first session's message goes out. */
  const begun = shared ? shared.begin(startTimeoutMs) : Promise.resolve();
  begun.catch(() => {
    // A link that cannot be begun is a failed one, whoever ended it.
    finish(true);
    void link.close();
  });
  if (sharing === 'sessionless') addSession(newId(), first.keyId);
  const anonymous = sharing === 'sessionless' ? [...sessions.values()][0] : undefined;

  function addSession(id: string, keyId: string): Session {
    const session = createSession({ id, keyId, idleMs, listens: sharing !== 'sessionless', onIdle: () => circuit.endSession(id) });
    sessions.set(id, session);
    clearTimeout(idle);
    return session;
  }

  const circuit: Circuit = {
    sharing,
    get running() {
      return calls.size;
    },
    get restingSince() {
      const [only] = sharing === 'shared' ? [] : sessions.values();
      return only?.restingSince;
    },
    has: (sessionId, keyId) => sessions.get(sessionId)?.keyId === keyId,
    initialize(request, message, receiver) {
      if (sessions.size >= options.sessionsMax) throw new Denial('OVERLOADED', { facts: { outcome: 'not-sent' } });
      const session = addSession(newId(), request.keyId);
      const headers = { 'mcp-session-id': session.id };
      const onAnswer = (answer: ResponseMessage | undefined): void => {
        // Who gives no answer at all is left alone for a while.
        if (!answer) finish(true);
        else if (answer.outcome === 'error') circuit.endSession(session.id);
      };
      // Whoever leaves now never heard of the session.
      const onLeft = (): void => circuit.endSession(session.id);
      if (!shared) {
        return startCall({ session, request, message, receiver, headers, onLeft, firstMsMax: startTimeoutMs, served: { onAnswer } });
      }
      const rested = session.busy();
      const outlet = createOutlet(receiver, { headers, onAbort: onLeft });
      begun
        .then(
          () => answerHere(outlet, shared.serve(session, message)),
          (cause: unknown) => outlet.fail({ kind: 'connect', sent: false, cause }),
        )
        .finally(rested);
      return outlet;
    },
    post(request, message, receiver, sessionId) {
      const session = sessionId === undefined ? anonymous : sessions.get(sessionId);
      if (!session) return answerStatus(receiver, 404);
      if (message.kind !== 'request') return sendOneWay({ session, request, message, receiver });
      return startCall({ session, request, message, receiver, served: shared?.serve(session, message) ?? {} });
    },
    listen(sessionId, receiver) {
      const session = sessions.get(sessionId);
      if (!session) return answerStatus(receiver, 404);
      if (session.streamOpen) return answerStatus(receiver, 409);
      const outlet = createOutlet(receiver, { onAbort: () => session.detach(outlet), sent: () => true });
      queueMicrotask(() => {
        // Of two streams that are opened at once the second finds the first.
        if (!outlet.ended && !(sessions.has(sessionId) && session.attach(outlet))) outlet.status(sessions.has(sessionId) ? 409 : 404);
      });
      return outlet;
    },
    endSession(sessionId) {
      const session = sessions.get(sessionId);
      if (!session) return;
      sessions.delete(sessionId);
      incoming.forget(session);
      shared?.release(session);
      session.close();
      if (sharing === 'shared') rest();
      else void circuit.close();
    },
    retire() {
      retiring = true;
      for (const session of sessions.values()) session.close();
      rest();
    },
    close() {
      finish(false);
      return link.close();
    },
    kill: () => link.kill(),
  };

  function startCall(given: {
    session: Session;
    request: UpstreamRequest;
    message: RequestMessage;
    receiver: AnswerReceiver;
    headers?: Readonly<Record<string, string>>;
    onLeft?: () => void;
    firstMsMax?: number;
    served: Served;
  }): UpstreamExchange {
    const { session, request, message, receiver, headers = {}, onLeft, served, ...more } = given;
    let leave = (): void => undefined;
    const onAbort = (): void => {
      leave();
      onLeft?.();
    };
    const outlet = createOutlet(receiver, { headers, onAbort, sent: () => true });
    if ('answer' in served) queueMicrotask(() => answerHere(outlet, served));
    else ({ leave } = calls.start({ session, request, message, outlet, ...more, ...served }));
    return outlet;
  }

  /** Notifications and answers: taken, or not. */
  function sendOneWay(given: { session: Session; request: UpstreamRequest; message: Message; receiver: AnswerReceiver }): UpstreamExchange {
    const { session, request, message, receiver } = given;
    const bytes = outgoing({ calls, incoming, shared }, session, message);
    // What is for nobody on the other side is taken all the same.
    if (!bytes) return answerStatus(receiver, 202);
    const outlet = createOutlet(receiver, { sent: () => true });
    link.send(bytes, request.headers, (trouble) => queueMicrotask(() => (trouble ? refuse(outlet, trouble) : outlet.status(202))));
    return outlet;
  }

  return circuit;
}

function answerHere(outlet: Outlet, served: Served): void {
  if ('answer' in served) outlet.answer(served.answer);
  else outlet.fail({ kind: 'connect', sent: false, cause: new Error('the upstream is not ready') });
}
