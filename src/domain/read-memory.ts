/** As much as is read from a connection at once, in bytes. */
const landingBytes = 65_536;
/** Shorter pieces lie in memory of their own, which costs nothing to speak of. */
export const lentBytesMin = 8_192;
/** Segments are of multiples of this, so that those of one length fit many pieces. */
const stepBytes = 16_384;
/** Most that is kept for later, in bytes. What is given back beyond it is let go of. */
const freeBytesMax = 4_194_304;

interface Segment {
  readonly memory: Buffer;
  lent: boolean;
}

/**
 * Memory for what upstreams answer, lent piece by piece and used again where it is given back. In memory of its own each, the pieces of long answers made
 * V8 collect everything several times a second, since it counts such memory as if it were of the old space (measured). What is never given back is
 * collected like anything else: only who knows that nobody looks at a piece any more may give it back.
 */
export class ReadMemory {
  /** Where every connection's bytes arrive; they are gone from here with the next read of any. */
  readonly landing: Buffer = Buffer.allocUnsafeSlow(landingBytes);
  /** Free segments by their length in steps. */
  private readonly free: Segment[][] = [];
  private readonly segments = new WeakMap<ArrayBufferLike, Segment>();
  private freeBytes = 0;

  /** What has just arrived, to have and to hold. */
  take(bytes: number): Buffer {
    const { landing } = this;
    if (bytes < lentBytesMin) {
      const own = Buffer.allocUnsafe(bytes);
      landing.copy(own, 0, 0, bytes);
      return own;
    }
    const { memory } = this.lend(Math.ceil(bytes / stepBytes));
    landing.copy(memory, 0, 0, bytes);
    return memory.subarray(0, bytes);
  }

  /** Pieces, or parts of them, that nobody looks at any more. Those that were not lent here are left alone. */
  giveBack(pieces: readonly Buffer[]): void {
    for (const piece of pieces) {
      const segment = piece.length > 0 ? this.segments.get(piece.buffer) : undefined;
      if (!segment?.lent) continue;
      segment.lent = false;
      const { length } = segment.memory;
      if (this.freeBytes + length > freeBytesMax) continue;
      this.freeBytes += length;
      this.freeOf(length / stepBytes).push(segment);
    }
  }

  private lend(steps: number): Segment {
    const kept = this.freeOf(steps).pop();
    if (kept) {
      this.freeBytes -= kept.memory.length;
      kept.lent = true;
      return kept;
    }
    const segment: Segment = { memory: Buffer.allocUnsafeSlow(steps * stepBytes), lent: true };
    this.segments.set(segment.memory.buffer, segment);
    return segment;
  }

  private freeOf(steps: number): Segment[] {
    this.free[steps] ??= [];
    return this.free[steps];
  }
}
