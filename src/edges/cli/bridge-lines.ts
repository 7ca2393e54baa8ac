const lf = 10;
/** Longest line accepted from the client, in bytes; larger than any gateway accepts. */
const lineBytesMax = 64 * 1024 * 1024;

/** Lines of a byte stream, without their ends; a last line without an end counts. Stops where the stream ends or the signal fires. */
export async function* linesOf(input: AsyncIterable<Uint8Array | string>, signal?: AbortSignal): AsyncGenerator<string> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of until(input, signal)) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'utf8') : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let start = 0;
    for (let at = bytes.indexOf(lf); at >= 0; at = bytes.indexOf(lf, start)) {
      yield textOf([...pending, bytes.subarray(start, at)]);
      pending = [];
      pendingBytes = 0;
      start = at + 1;
    }
    if (start < bytes.length) pending.push(Buffer.from(bytes.subarray(start)));
    pendingBytes += bytes.length - start;
    if (pendingBytes > lineBytesMax) throw new Error(`a line is longer than ${lineBytesMax} bytes`);
  }
  if (pending.length > 0) yield textOf(pending);
}

function textOf(parts: readonly Buffer[]): string {
  const text = Buffer.concat(parts).toString('utf8');
  return text.endsWith('\r') ? text.slice(0, -1) : text;
}

/** The chunks until the signal fires, even while none is coming. */
async function* until<Chunk>(input: AsyncIterable<Chunk>, signal: AbortSignal | undefined): AsyncGenerator<Chunk> {
  const iterator = input[Symbol.asyncIterator]();
  const stopped = Promise.withResolvers<undefined>();
  const stop = (): void => stopped.resolve(undefined);
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      const next = await Promise.race([stopped.promise, iterator.next()]);
      if (next === undefined || next.done) return;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    // A pipe that nobody reads any more would keep the process alive.
    if (signal?.aborted) (input as { destroy?: () => void }).destroy?.();
  }
}
