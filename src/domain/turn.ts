/**
 * What becomes due in one turn of the event loop, done at its end, one right after the other (ADR 0021): the code that does it is then in the processor's
 * caches from the second on. Where one comes by itself it waits for nothing but the end of its turn.
 */
export class Turn {
  private due: (() => void)[] = [];
  private readonly atEnd: (act: () => void) => unknown;

  /** @param atEnd  calls back once at the end of the turn, as setImmediate does */
  constructor(atEnd: (act: () => void) => unknown) {
    this.atEnd = atEnd;
  }

  add(act: () => void): void {
    this.due.push(act);
    if (this.due.length === 1) this.atEnd(() => this.run());
  }

  private run(): void {
    const { due } = this;
    this.due = [];
    let done = 0;
    try {
      for (const act of due) {
        done += 1;
        act();
      }
    } finally {
      // Whatever one of them throws, those behind it are done.
      for (const act of due.slice(done)) this.add(act);
    }
  }
}
