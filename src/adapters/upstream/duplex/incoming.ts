import type { MessageId, NotificationMessage, RequestMessage } from '../../../domain/message.ts';
import { splice } from '../../../domain/splice.ts';
import type { Call, Calls } from './calls.ts';
import { passesLevel } from './log-levels.ts';
import type { Outlet } from './outlet.ts';
import { belongsTo, ownMessage } from './remap.ts';
import type { Session } from './session.ts';

/** Whose link it is: one session's own, one that sessions share, or one of callers that have no sessions. */
export type Sharing = 'own' | 'shared' | 'sessionless';

/** Requests of the other side that clients have yet to answer. */
const askedMax = 1_000;

/** Brings what the other side of a link says of its own accord to those it is for, and to nobody else. */
export interface Incoming {
  request(message: RequestMessage): void;
  notification(message: NotificationMessage): void;
  /** True where this session was asked that, and has not answered yet. */
  takeAnswer(session: Session, id: MessageId | null): boolean;
  /** Forgets what a session was asked: nobody will answer. */
  forget(session: Session): void;
}

interface IncomingOptions {
  readonly sharing: Sharing;
  readonly calls: Calls;
  readonly sessions: ReadonlyMap<string, Session>;
  /** Answers the other side. */
  readonly reply: (bytes: Buffer) => void;
}

export function createIncoming({ sharing, calls, sessions, reply }: IncomingOptions): Incoming {
  const asked = new Map<MessageId, { session: Session; call: Call | undefined }>();
  const refuse = (id: MessageId, code: number, message: string): void => reply(ownMessage({ id, error: { code, message } }));

  /** The session that is meant, where it can be told: its own, or the one whose call alone is running. */
  const meant = (): { session: Session; call: Call | undefined } | undefined => {
    const call = calls.sole();
    if (call) return { session: call.session, call };
    const [session] = sessions.values();
    return sharing === 'own' && session ? { session, call: undefined } : undefined;
  };

  return {
    request(message) {
      const { id, method, bytes } = message;
      if (sharing !== 'own' && method === 'ping') return reply(ownMessage({ id, result: {} }));
      if (sharing === 'sessionless') return refuse(id, -32601, 'There is no client behind this connection that takes requests.');
      const to = meant();
      if (!to) return refuse(id, -31409, 'More or fewer clients than one are waiting: it cannot be told whom this is for.');
      if (asked.size >= askedMax || asked.has(id)) return refuse(id, -31503, 'Too many requests are waiting for an answer.');
      asked.set(id, to);
      deliver(to, bytes, () => {
        if (asked.delete(id)) refuse(id, -31503, 'The client does not listen.');
      });
    },
    notification(message) {
      const { method, params, bytes } = message;
      if (method === 'notifications/cancelled') {
        const to = params.cancels && asked.get(params.cancels.id);
        if (!to || !params.cancels) return;
        asked.delete(params.cancels.id);
        return deliver(to, bytes);
      }
      const owner = belongsTo(message);
      if (owner) {
        const call = calls.get(owner.linkId);
        const text = owner.by === 'token' ? call?.renamed.token : call?.renamed.id;
        if (call && text && call.outlet.event(splice(bytes, [{ span: owner.span, text }]))) call.heard();
        return;
      }
      if (method === 'notifications/progress') return;
      if (method === 'notifications/resources/updated' || /^notifications\/(?:tools|resources|prompts)\/list_changed$/.test(method)) {
        for (const session of sessions.values()) if (concerns(session, message)) tell(session, bytes);
        return;
      }
      const to = meant();
      // Where sessions share a link, what cannot be told to be for one of them is for none: it may speak of another's affairs.
      if (to && (sharing !== 'shared' || passesLevel(to.session, message))) deliver(to, bytes);
    },
    takeAnswer(session, id) {
      if (id === null || asked.get(id)?.session !== session) return false;
      return asked.delete(id);
    },
    forget(session) {
      for (const [id, to] of [...asked]) {
        if (to.session === session && asked.delete(id)) refuse(id, -31404, 'The client has gone.');
      }
    },
  };

  function concerns(session: Session, { method, params }: NotificationMessage): boolean {
    if (sharing !== 'shared' || method !== 'notifications/resources/updated') return true;
    return params.uri !== undefined && session.subscriptions.has(params.uri);
  }

  /** What is about no request goes on the session's stream; while that is not open, along with the answer it waits for. */
  function tell(session: Session, bytes: Buffer): void {
    const call = calls.sole();
    const instead: Outlet | undefined = !session.streamOpen && call?.session === session ? call.outlet : undefined;
    if (!instead?.event(bytes)) session.push(bytes);
  }
}

/** On the stream of the call that it came with, else on the session's own. */
function deliver({ session, call }: { session: Session; call: Call | undefined }, bytes: Buffer, onDropped?: () => void): void {
  if (call?.outlet.event(bytes)) call.heard();
  else session.push(bytes, onDropped);
}
