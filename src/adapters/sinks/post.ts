import { type Dispatcher, request } from 'undici';

/** What became of one attempt. */
export type Posted =
  | { readonly kind: 'delivered' }
  /** 410: the receiver wants no more. */
  | { readonly kind: 'gone' }
  /** `reason` is for an operator; it quotes nothing of the answer. */
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs?: number };

const answerBytesMax = 16 * 1024;

/** One attempt, never redirected: the body and its signature are for the configured receiver alone. Never throws. */
export async function post(
  url: string,
  options: { headers: Record<string, string>; body: string; timeoutMs: number; signal: AbortSignal; dispatcher: Dispatcher },
): Promise<Posted> {
  const { headers, body, timeoutMs, dispatcher } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  try {
    const answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'keygate-webhooks', ...headers },
      ...{ body, signal, dispatcher },
    });
    // The answer says nothing that is wanted; it is read so far as to keep the connection.
    await answer.body.dump({ limit: answerBytesMax, signal }).catch(() => undefined);
    return ofStatus(answer.statusCode, answer.headers['retry-after']);
  } catch (error) {
    return { kind: 'failed', reason: signal.aborted ? `no answer within ${timeoutMs} ms` : wordOf(error) };
  }
}

function ofStatus(status: number, retryAfter: string | string[] | undefined): Posted {
  if (status >= 200 && status < 300) return { kind: 'delivered' };
  if (status === 410) return { kind: 'gone' };
  const seconds = typeof retryAfter === 'string' && /^[0-9]{1,9}$/.test(retryAfter) ? Number(retryAfter) : undefined;
  return { kind: 'failed', reason: `status ${status}`, ...(seconds !== undefined && { retryAfterMs: seconds * 1000 }) };
}

/** The error's code or name where it is a plain word: its message may hold the URL, and the URL a secret (I5). */
function wordOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown reason';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return /^[A-Za-z0-9_]{1,64}$/.test(code) ? code : 'unknown reason';
}
