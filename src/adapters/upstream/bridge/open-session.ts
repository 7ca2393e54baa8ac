import { Denial } from '../../../domain/denial.ts';
import { hasCapability } from '../../../domain/introduction.ts';
import type { ResponseMessage } from '../../../domain/message.ts';
import type { LogLevel } from '../../../domain/session-form.ts';
import type { UpstreamRequest, Upstreams } from '../../../ports/upstreams.ts';
import { ask, bodyOf } from '../ask.ts';
import { carried, credentials } from './carried.ts';
import { postHeaders } from './post-headers.ts';
import { askInitialize, type Behalf, placed } from './questions.ts';

/** A session that the bridge opened itself, at an upstream that has no other way of being spoken to. */
export interface OpenSession {
  /** The upstream's id; undefined where it gives none, since it keeps nothing. */
  readonly id: string | undefined;
  readonly version: string;
  /** The answer to `initialize`. */
  readonly introduced: ResponseMessage;
  /** An id for a message of this session: unique in it, since many callers share it. */
  nextId(): number;
}

/** A session's part of a flat header list. */
export function sessionHeaders({ id, version }: Pick<OpenSession, 'id' | 'version'>): string[] {
  return ['mcp-protocol-version', version, ...(id === undefined ? [] : ['mcp-session-id', id])];
}

/**
 * initialize, notifications/initialized and, where log messages are wanted, logging/setLevel (lifecycle, 2025-11-25).
 * @throws Denial UPSTREAM_FAILED or UPSTREAM_TIMEOUT; nothing of the caller's request was sent then
 */
export async function openSession(
  upstreams: Upstreams,
  { behalf, logLevel, timeoutMs }: { behalf: Behalf; logLevel: LogLevel | undefined; timeoutMs: number },
): Promise<OpenSession> {
  try {
    const opened = await askInitialize(upstreams, behalf, timeoutMs);
    if (!opened)
      throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream opens no session that the bridge could use.', facts: notSent });
    let lastId = 1;
    const nextId = () => ++lastId;
    const session: OpenSession = { id: opened.session, version: opened.version, introduced: opened.answer, nextId };
    const send = (message: { id?: number; method: string; params?: object }) =>
      ask(upstreams, {
        ...{ ...placed(behalf), method: 'POST', message: { jsonrpc: '2.0', ...message }, timeoutMs },
        headers: [...sessionHeaders(session), ...carried(behalf.headers)],
      });
    await send({ method: 'notifications/initialized' });
    if (logLevel !== undefined && hasCapability(opened.answer, 'logging')) {
      await send({ id: nextId(), method: 'logging/setLevel', params: { level: logLevel } });
    }
    return session;
  } catch (thrown) {
    if (!(thrown instanceof Denial) || thrown.facts.outcome !== undefined) throw thrown;
    throw new Denial(thrown.reason, { detail: 'The bridge could not open a session at the upstream.', facts: notSent, cause: thrown });
  }
}

/** A courtesy is not waited for longer; so long may the bridge's own messages without an answer take too. Milliseconds. */
const endMsMax = 2_000;
const tellMsMax = 10_000;

const notSent = { outcome: 'not-sent' } as const;

/** Ends it (transports, session management): a courtesy, and an upstream that cannot is none the worse. */
export async function endSession(upstreams: Upstreams, behalf: Behalf, session: OpenSession): Promise<void> {
  if (session.id === undefined) return;
  const headers = [...sessionHeaders(session), ...credentials(behalf.headers)];
  try {
    await ask(upstreams, { ...placed(behalf), method: 'DELETE', message: undefined, headers, timeoutMs: endMsMax });
  } catch {
    // Gone already, or moved: there is nothing left to end.
  }
}

/** Sends what has no answer, and does not wait: a cancellation, or the bridge's own answer to a server. */
export function tell(upstreams: Upstreams, request: UpstreamRequest, { session, body }: { session: OpenSession; body: string }): void {
  const headers = [...sessionHeaders(session), ...carried(request.headers)];
  try {
    upstreams.dispatch(
      {
        ...{
          ...placedFully(request),
          ...bodyOf(body),
          method: 'POST',
          era: 'session',
          ...(session.id === undefined ? {} : { session: session.id }),
        },
        headers: [...postHeaders, ...headers],
        ...{ headTimeoutMs: tellMsMax, silenceTimeoutMs: tellMsMax, long: false },
      },
      { onHead: () => undefined, onChunk: () => true, onEnd: () => undefined, onFailure: () => undefined },
    );
  } catch {
    // The upstream has just left or moved, and with it whatever this was about.
  }
}

function placedFully({ upstream, url, keyId }: UpstreamRequest): Pick<UpstreamRequest, 'upstream' | 'url' | 'keyId'> {
  return { upstream, keyId, ...(url === undefined ? {} : { url }) };
}
