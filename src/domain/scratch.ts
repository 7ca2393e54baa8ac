/** Longest text that memory is kept for, in bytes. Longer ones are rare, and are put together in memory of their own. */
const keptBytesMax = 1_048_576;
/** Memory is taken in steps, so that texts which grow do not each take anew. */
const stepBytes = 131_072;

/**
 * Memory in which a long text that came in pieces is put together to be read, used again for the next. In memory of its own each, they made V8 collect
 * everything several times a second, since it counts such memory as if it were of the old space (measured).
 */
export class Scratch {
  private memory: Buffer | undefined;

  /** The pieces as one. Only until the next call: whoever needs it for longer calls keep(). */
  join(pieces: readonly Buffer[]): Buffer {
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length > keptBytesMax) return Buffer.concat(pieces, length);
    if (!this.memory || this.memory.length < length) this.memory = Buffer.allocUnsafeSlow(Math.ceil(length / stepBytes) * stepBytes);
    const { memory } = this;
    let at = 0;
    for (const piece of pieces) {
      memory.set(piece, at);
      at += piece.length;
    }
    return memory.subarray(0, length);
  }

  /** Whoever got the last text has its memory for good. */
  keep(): void {
    this.memory = undefined;
  }
}
