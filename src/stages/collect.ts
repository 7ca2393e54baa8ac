/** A body kept up to a bound in bytes and in time; beyond either nothing more is kept, and the exchange is broken off. */
export interface Collected {
  readonly tooLarge: boolean;
  readonly late: boolean;
  add(chunk: Buffer): void;
  /** Ends the collecting: what was kept. */
  bytes(): Buffer;
  /** The same as it came. */
  pieces(): readonly Buffer[];
}

/** @param options.msMax for the whole body, so that one byte now and then does not hold the caller for ever */
export function collect(options: { bytesMax: number; msMax: number; abort: () => void }): Collected {
  return new Collecting(options);
}

/**
 * A class, because it is made for each call and has accessors: V8 makes a hidden class of its own for each object literal with accessors, in the old
 * space, which keeps them and all that they refer to until the next full collection (measured: the whole of every call).
 */
class Collecting implements Collected {
  private readonly bytesMax: number;
  private readonly abort: () => void;
  private timer: NodeJS.Timeout | undefined = undefined;
  private over = false;
  private chunks: Buffer[] = [];
  private length = 0;
  private ranLate = false;

  constructor({ bytesMax, msMax, abort }: { bytesMax: number; msMax: number; abort: () => void }) {
    this.bytesMax = bytesMax;
    this.abort = abort;
    // Most bodies are there with their head, and need no timer.
    queueMicrotask(() => {
      if (!this.over) this.timer = setTimeout(() => this.runLate(), msMax);
    });
  }

  get tooLarge(): boolean {
    return this.length > this.bytesMax;
  }

  get late(): boolean {
    return this.ranLate;
  }

  add(chunk: Buffer): void {
    this.length += chunk.length;
    if (this.length <= this.bytesMax) return void this.chunks.push(chunk);
    this.chunks = [];
    this.abort();
  }

  bytes(): Buffer {
    return joined(this.pieces());
  }

  pieces(): readonly Buffer[] {
    this.over = true;
    clearTimeout(this.timer);
    return this.chunks;
  }

  private runLate(): void {
    this.ranLate = true;
    this.abort();
  }
}

/** The pieces as one, in memory of its own where they are several. */
export function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}
