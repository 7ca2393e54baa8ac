/** Chunks kept up to a bound; beyond it nothing is kept and `tooLarge` says so. */
export interface Collected {
  readonly tooLarge: boolean;
  add(chunk: Buffer): void;
  bytes(): Buffer;
}

export function collect(bytesMax: number): Collected {
  let chunks: Buffer[] = [];
  let length = 0;
  return {
    get tooLarge() {
      return length > bytesMax;
    },
    add(chunk) {
      length += chunk.length;
      if (length <= bytesMax) chunks.push(chunk);
      else chunks = [];
    },
    bytes: () => (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)),
  };
}
