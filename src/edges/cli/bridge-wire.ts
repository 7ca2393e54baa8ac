import { Agent, fetch, type Response } from 'undici';

/** The HTTP side of a bridge: one endpoint, one key, at most one session (MCP 2025-11-25, Streamable HTTP). */
export interface Wire {
  post(body: string, options: { headers: Readonly<Record<string, string>>; signal: AbortSignal }): Promise<Response>;
  /** The stream that the gateway may speak on unasked, or the rest of a stream that broke. */
  listen(options: { lastEventId?: string | undefined; signal: AbortSignal }): Promise<Response>;
  /** A new session begins: nothing of an earlier one is sent any more. */
  forget(): void;
  /** What the answer to initialize settled; sent with every later request. */
  remember(session: { id?: string | undefined; protocolVersion?: string | undefined }): void;
  /** Ends the session, if there is one, and closes every connection. Failures do not matter by then. */
  end(): Promise<void>;
}

const endMs = 1_000;

export function createWire(options: { url: URL; key: string; userAgent: string }): Wire {
  const { url, key, userAgent } = options;
  // Calls may take as long as the gateway lets them, and a stream may be silent for hours: the gateway keeps the time.
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  let sessionId: string | undefined;
  let protocolVersion: string | undefined;

  const common = (): Record<string, string> => ({
    authorization: `Bearer ${key}`,
    'user-agent': userAgent,
    ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
    ...(protocolVersion === undefined ? {} : { 'mcp-protocol-version': protocolVersion }),
  });
  // A redirect would carry the key to an address nobody named.
  const request = async (
    method: string,
    headers: Record<string, string>,
    more: { body?: string; signal: AbortSignal },
  ): Promise<Response> => await fetch(url, { method, headers: { ...common(), ...headers }, redirect: 'error', dispatcher, ...more });

  return {
    post: async (body, { headers, signal }) =>
      await request(
        'POST',
        { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        { body, signal },
      ),
    listen: async ({ lastEventId, signal }) =>
      await request(
        'GET',
        { accept: 'text/event-stream', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) },
        { signal },
      ),
    forget() {
      sessionId = undefined;
      protocolVersion = undefined;
    },
    remember(session) {
      sessionId = session.id ?? sessionId;
      protocolVersion = session.protocolVersion ?? protocolVersion;
    },
    async end() {
      if (sessionId !== undefined) {
        const response = await request('DELETE', {}, { signal: AbortSignal.timeout(endMs) }).catch(() => undefined);
        await response?.body?.cancel().catch(() => undefined);
      }
      await dispatcher.destroy();
    },
  };
}

/** Why a request got no answer, in a few words without the address or the key. */
export function failureText(error: unknown): string {
  const causes: string[] = [];
  for (let at: unknown = error; at instanceof Error && causes.length < 5; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    causes.push(typeof code === 'string' ? code : at.message);
  }
  if (causes.some((cause) => /redirect/i.test(cause))) return 'the gateway answered with a redirect, which is not followed';
  return `the gateway cannot be reached (${causes.at(-1) ?? 'unknown failure'})`;
}
