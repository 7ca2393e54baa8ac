import { Denial } from '../domain/denial.ts';
import type { AnswerHeaders } from '../ports/upstreams.ts';
import { type Answer, cutDenial, failedEnding, noAnswerDenial, type Relay, type RelayEnd, upstreamDenial } from './relay.ts';
import type { RouteAdmitted } from './route-reached.ts';

/** Answer headers that the client gets. What else an upstream sends is about its own connection, its own origin, or itself. */
const passed = [
  ...['content-type', 'content-length', 'content-encoding', 'content-language', 'content-disposition', 'content-range'],
  ...['accept-ranges', 'etag', 'last-modified', 'vary', 'allow', 'retry-after'],
] as const;

/**
 * One answer of a pass-through route, as it comes, within `answerBytesMax` and the time of an upstream; an event stream within neither. Redirects
 * are not followed and not passed on, since they name places behind the gateway; a 401, 403 or 407 is about the gateway's own
 * credential; and of an upstream's failure only the status is told.
 */
export function relayRoute(admitted: RouteAdmitted, { status, headers, control }: Answer): Relay {
  const { reply, policy, route } = admitted;
  const { answerBytesMax, upstreamTimeoutMs } = policy.limits;
  const streaming = status === 200 && /^text\/event-stream\s*(?:;|$)/i.test(String(headers['content-type'] ?? ''));
  const refusal = refusalOf(status, headers, answerBytesMax);
  if (refusal) return refused(status, refusal, () => control.abort());
  reply.head(status, answerHeaders(headers, route.cookies), streaming);
  let bytes = 0;
  let broken: 'too-large' | 'timeout' | undefined;
  const breakOff = (why: 'too-large' | 'timeout'): void => {
    broken = why;
    control.abort();
  };
  const timer = streaming ? undefined : setTimeout(() => breakOff('timeout'), upstreamTimeoutMs);
  /** An answer that was not sent whole must not look complete. */
  const fail = (end: RelayEnd): RelayEnd => {
    clearTimeout(timer);
    if (reply.closed) return { status: 'client-gone', ending: 'lost' };
    reply.cut();
    return end;
  };
  return {
    streaming,
    chunk(chunk) {
      bytes += chunk.length;
      if (!streaming && bytes > answerBytesMax) breakOff('too-large');
      return broken === undefined ? reply.write(chunk) : true;
    },
    end() {
      clearTimeout(timer);
      if (reply.closed) return { status: 'client-gone', ending: 'lost' };
      reply.end();
      return { status, ending: status >= 400 ? 'error' : 'answered' };
    },
    fail(failure, cut) {
      if (broken === 'too-large')
        return fail({ status: 'too-large', ending: 'error', refusal: noAnswerDenial(status, 'The answer is too long.') });
      if (broken === 'timeout') return fail({ status: 'timeout', ending: 'timeout', refusal: new Denial('UPSTREAM_TIMEOUT') });
      if (cut) return fail({ status: cut, ending: 'lost', refusal: cutDenial(cut, failure) });
      return fail({ status: failure.kind, ending: failedEnding(failure), refusal: upstreamDenial(failure) });
    },
  };
}

/** Nothing of such an answer is read: the refusal is the client's answer as soon as the head is known. */
function refused(status: number, refusal: Denial, abort: () => void): Relay {
  const end: RelayEnd = { status, ending: 'error', refusal };
  abort();
  return { streaming: false, chunk: () => true, end: () => end, fail: () => end };
}

function refusalOf(status: number, headers: AnswerHeaders, bytesMax: number): Denial | undefined {
  if (status >= 500) return noAnswerDenial(status, 'The upstream failed.');
  if (status === 401 || status === 403 || status === 407) return noAnswerDenial(status, 'The upstream refused the gateway.');
  if (status < 200 || (status >= 300 && status < 400 && status !== 304)) return noAnswerDenial(status, 'The upstream sent no answer.');
  if (Number(headers['content-length'] ?? 0) > bytesMax) return noAnswerDenial(status, 'The answer is too long.');
  return undefined;
}

function answerHeaders(sent: AnswerHeaders, cookies: boolean): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { 'x-content-type-options': 'nosniff', 'cache-control': ownCaching(sent) };
  for (const name of cookies ? [...passed, 'set-cookie'] : passed) {
    const value = sent[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

/** What a key was let see is for whoever holds the key: caches that several share keep nothing of it (RFC 9111, section 5.2.2.7). */
function ownCaching(sent: AnswerHeaders): string {
  const wanted = String(sent['cache-control'] ?? '').toLowerCase();
  if (/\bno-store\b/.test(wanted)) return 'no-store';
  const age = /\bmax-age\s*=\s*"?(\d{1,9})/.exec(wanted)?.[1];
  return age === undefined || /\bno-cache\b/.test(wanted) ? 'private, no-cache' : `private, max-age=${age}`;
}
