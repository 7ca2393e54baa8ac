/** A body kept up to a bound in bytes and in time; beyond either nothing more is kept, and the exchange is broken off. */
export interface Collected {
  readonly tooLarge: boolean;
  readonly late: boolean;
  add(chunk: Buffer): void;
  /** Ends the collecting: what was kept. */
  bytes(): Buffer;
}

/** @param options.msMax for the whole body, so that one byte now and then does not hold the caller for ever */
export function collect({ bytesMax, msMax, abort }: { bytesMax: number; msMax: number; abort: () => void }): Collected {
  let chunks: Buffer[] = [];
  let length = 0;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    abort();
  }, msMax);
  return {
    get tooLarge() {
      return length > bytesMax;
    },
    get late() {
      return late;
    },
    add(chunk) {
      length += chunk.length;
      if (length <= bytesMax) return void chunks.push(chunk);
      chunks = [];
      abort();
    },
    bytes() {
      clearTimeout(timer);
      return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    },
  };
}
