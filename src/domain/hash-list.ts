/** SHA-256 hashes by position, 32 bytes each. Strings cut out of lines would keep whole lines in memory. */
export interface HashList {
  keep(index: number, hash: string): void;
  /** The hash in hex, or undefined where none was kept. */
  at(index: number): string | undefined;
}

const blockLength = 1024;
const hashBytes = 32;
const empty = '0'.repeat(2 * hashBytes);

export function createHashList(): HashList {
  const blocks = new Map<number, Buffer>();
  const startOf = (index: number): number => (index % blockLength) * hashBytes;
  return {
    keep: (index, hash) => {
      const number = Math.floor(index / blockLength);
      const block = blocks.get(number) ?? Buffer.alloc(blockLength * hashBytes);
      blocks.set(number, block);
      block.write(hash, startOf(index), 'hex');
    },
    at: (index) => {
      if (index < 0) return undefined;
      const start = startOf(index);
      const hash = blocks.get(Math.floor(index / blockLength))?.toString('hex', start, start + hashBytes);
      return hash === empty ? undefined : hash;
    },
  };
}
