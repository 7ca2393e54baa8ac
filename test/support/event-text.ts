/** One event as a client would see it; comments are events with nothing but `comment`. */
export interface SeenEvent {
  readonly event?: string;
  readonly id?: string;
  readonly retry?: string;
  readonly data?: string;
  readonly comment?: string;
}

/** Reads the text of an event stream line by line, without the reader under test (WHATWG HTML, section 9.2.6). */
export function eventsOf(text: string): SeenEvent[] {
  return text
    .split(/(?:\r\n|\r|\n){2}/)
    .filter((block) => block !== '')
    .map((block) => {
      const seen: Record<string, string> = {};
      for (const line of block.split(/\r\n|\r|\n/)) {
        const [, name = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
        const field = name === '' ? 'comment' : name;
        seen[field] = field === 'data' && seen.data !== undefined ? `${seen.data}\n${value}` : value;
      }
      return seen;
    });
}

/** The messages of a stream, parsed. */
export function messagesOf(text: string): Record<string, unknown>[] {
  return eventsOf(text).flatMap(({ data }) => (data ? [JSON.parse(data) as Record<string, unknown>] : []));
}

export interface OpenStream {
  readonly status: number;
  readonly headers: Headers;
  /** All text so far. */
  text(): string;
  /** Resolves with the text once it matches; rejects after `msMax` or when the stream ends without it. */
  seen(pattern: RegExp, msMax?: number): Promise<string>;
  /** Resolves with the whole text when the stream has ended. */
  readonly ended: Promise<string>;
  leave(): void;
}

/** Opens a stream and keeps reading it; resolves when its head is there. */
export async function openStream(url: string, init: RequestInit): Promise<OpenStream> {
  const leaving = new AbortController();
  const response = await fetch(url, { ...init, signal: leaving.signal });
  const watchers = new Set<() => void>();
  let text = '';
  let over = false;
  const read = async () => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        for (const look of watchers) look();
      }
    } catch {
      // Cut, or left: what was read stays.
    }
    over = true;
    for (const look of watchers) look();
    return text;
  };
  const ended = read();
  return {
    status: response.status,
    headers: response.headers,
    text: () => text,
    seen(pattern, msMax = 5_000) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const look = () => {
        if (pattern.test(text)) resolve(text);
        else if (over) reject(new Error(`the stream ended without ${pattern}: ${text}`));
      };
      const late = setTimeout(() => reject(new Error(`no ${pattern} within ${msMax} ms: ${text}`)), msMax);
      watchers.add(look);
      look();
      return promise.finally(() => {
        clearTimeout(late);
        watchers.delete(look);
      });
    },
    ended,
    leave: () => leaving.abort(),
  };
}
