/** A GET stream as a client of no SDK would open it. */
export interface OpenStream {
  readonly status: number;
  /** Everything received so far. */
  text(): string;
  /** Resolves, with the time (`Date.now()`), once the stream has ended or was cut. */
  readonly ended: Promise<number>;
  /** Resolves once the text contains the mark; rejects where the stream ends without it. */
  received(mark: string): Promise<void>;
  close(): void;
}

export async function openStream(url: string, key: string): Promise<OpenStream> {
  const leaving = new AbortController();
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${key}` },
    signal: leaving.signal,
  });
  const waiting = new Set<() => void>();
  let text = '';
  const read = async (): Promise<number> => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk as Uint8Array, { stream: true });
        for (const look of waiting) look();
      }
    } catch {
      // Cut by either side: an end like any other.
    }
    return Date.now();
  };
  const ended = read();
  return {
    status: response.status,
    text: () => text,
    ended,
    async received(mark) {
      const found = Promise.withResolvers<void>();
      const look = () => {
        if (text.includes(mark)) found.resolve();
      };
      waiting.add(look);
      look();
      const never = ended.then(() => {
        if (!text.includes(mark)) throw new Error(`the stream ended before ${mark} came: ${text}`);
      });
      await Promise.race([found.promise, never]).finally(() => waiting.delete(look));
    },
    close: () => leaving.abort(),
  };
}
