import { memberAt, scalarAt } from '../../../domain/member-at.ts';
import type { RequestMessage, ResponseMessage } from '../../../domain/message.ts';
import { sessionVersions } from '../../../domain/method.ts';
import { splice } from '../../../domain/splice.ts';
import type { Calls } from './calls.ts';
import { leastLevel, levelAsked } from './log-levels.ts';
import { oneLine } from './read-message.ts';
import { ownMessage } from './remap.ts';
import type { Session } from './session.ts';

/** How a request of a session on a shared link is served: answered here, or sent on and its answer looked at. */
export type Served = { readonly answer: Buffer } | { readonly onAnswer?: (message: ResponseMessage | undefined) => void };

/** What makes one link of the gateway's own serve many sessions as if each had it for itself. */
export interface Shared {
  /** Begins the link with the gateway's own `initialize`. @throws Error where it is refused or takes too long */
  begin(msMax: number): Promise<void>;
  serve(session: Session, message: RequestMessage): Served;
  /** Whether a session's notification is for the other side at all; the gateway made its own beginning. */
  passes(method: string): boolean;
  /** Gives up what only this session wanted. */
  release(session: Session): void;
}

const newestVersion: string = sessionVersions[sessionVersions.length - 1] ?? '';

/** @param options.send tells the other side something of the gateway's own */
export function createShared(options: { calls: Calls; sessions: ReadonlyMap<string, Session>; send: (bytes: Buffer) => void }): Shared {
  const { calls, sessions, send } = options;
  let welcome: ResponseMessage | undefined;
  /** The level the other side was last told, as a rank. */
  let level: number | undefined;
  const wants = (uri: string, except: Session): boolean =>
    [...sessions.values()].some((one) => one !== except && one.subscriptions.has(uri));

  return {
    async begin(msMax) {
      // No roots: those of one client would become everybody's.
      const capabilities = { sampling: {}, elicitation: {} };
      const params = { protocolVersion: newestVersion, capabilities, clientInfo: { name: 'keygate', version: '1' } };
      const answer = await calls.ask('initialize', params, msMax);
      if (answer?.outcome !== 'result') throw new Error('the upstream did not let the gateway initialize');
      welcome = answer;
      send(ownMessage({ method: 'notifications/initialized' }));
    },
    serve(session, message) {
      const { method, params } = message;
      if (method === 'initialize' && welcome) return { answer: welcomeTo(message, welcome) };
      if (method === 'logging/setLevel') return serveLevel(session, message);
      const { uri } = params;
      if (uri === undefined) return {};
      if (method === 'resources/subscribe') {
        const add = (answer: ResponseMessage | undefined): void => void (answer?.outcome === 'result' && session.subscriptions.add(uri));
        if (!wants(uri, session)) return { onAnswer: add };
        session.subscriptions.add(uri);
        return { answer: emptyResult(message) };
      }
      if (method === 'resources/unsubscribe') {
        session.subscriptions.delete(uri);
        if (wants(uri, session)) return { answer: emptyResult(message) };
      }
      return {};
    },
    passes: (method) => method !== 'notifications/initialized' && method !== 'notifications/roots/list_changed',
    release(session) {
      for (const uri of session.subscriptions) {
        if (!wants(uri, session)) void calls.ask('resources/unsubscribe', { uri }, releaseMsMax);
      }
      session.subscriptions.clear();
    },
  };

  function serveLevel(session: Session, message: RequestMessage): Served {
    const asked = levelAsked(message);
    // What is no level is the other side's to refuse.
    if (asked === undefined) return {};
    session.level = asked;
    const least = leastLevel(sessions.values());
    if (least === level || least !== asked) return { answer: emptyResult(message) };
    level = asked;
    return {};
  }
}

const releaseMsMax = 10_000;

/** The other side's own words of welcome, in a protocol version that the client speaks too (lifecycle, version negotiation). */
function welcomeTo(request: RequestMessage, welcome: ResponseMessage): Buffer {
  const span = memberAt(welcome.bytes, ['result', 'protocolVersion']);
  const spoken = String(scalarAt(welcome.bytes, span) ?? newestVersion);
  const edits = span ? [{ span, text: JSON.stringify(commonVersion(request.params.protocolVersion, spoken)) }] : [];
  return splice(welcome.bytes, [{ span: welcome.idSpan, text: idText(request) }, ...edits]);
}

/** The older of both, where the client's is known; versions are dates. */
function commonVersion(wanted: string | undefined, spoken: string): string {
  const known = sessionVersions.some((version) => version === wanted);
  return known && wanted !== undefined && wanted < spoken ? wanted : spoken;
}

function emptyResult(request: RequestMessage): Buffer {
  return Buffer.concat([Buffer.from('{"jsonrpc":"2.0","id":'), idText(request), Buffer.from(',"result":{}}')]);
}

function idText({ bytes, idSpan }: RequestMessage): Buffer {
  return oneLine(bytes.subarray(idSpan.start, idSpan.end));
}
