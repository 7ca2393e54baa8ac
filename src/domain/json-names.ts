/** Above this many members an object's names are kept in a Set: comparing each with each would grow with the square. */
const plainMax = 16;

/**
 * The member names of the objects that are open, to find one that stands twice. The names of small objects stay what
 * they are, places in the bytes: most messages allocate nothing here. Names that need decoding, or are many, go to a Set.
 */
export class OpenNames {
  private readonly bytes: Buffer;
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private count = 0;
  /** For each open object: its first place in `starts`, and its Set where it has one. */
  private readonly firsts: number[] = [];
  private readonly sets: (Set<string> | undefined)[] = [];
  private top = -1;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  open(): void {
    this.top++;
    this.firsts[this.top] = this.count;
    this.sets[this.top] = undefined;
  }

  close(): void {
    this.count = this.firsts[this.top] ?? 0;
    this.top--;
  }

  /** Adds a name without escapes, given as the place between its quotes. False when it stands there already. */
  addPlain(start: number, end: number): boolean {
    const first = this.firsts[this.top] ?? 0;
    if (this.sets[this.top] !== undefined || this.count - first >= plainMax) return this.addText(this.bytes.toString('utf8', start, end));
    for (let index = first; index < this.count; index++) if (this.same(index, start, end)) return false;
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.count++;
    return true;
  }

  /** Adds a name by its decoded text: "a" and "\u0061" are one name. False when it stands there already. */
  addText(name: string): boolean {
    const names = this.sets[this.top] ?? this.toSet();
    const before = names.size;
    return names.add(name).size > before;
  }

  private same(index: number, start: number, end: number): boolean {
    const { bytes } = this;
    let other = this.starts[index] ?? 0;
    if ((this.ends[index] ?? 0) - other !== end - start) return false;
    for (let place = start; place < end; place++) if (bytes[place] !== bytes[other++]) return false;
    return true;
  }

  private toSet(): Set<string> {
    const names = new Set<string>();
    for (let index = this.firsts[this.top] ?? 0; index < this.count; index++) {
      names.add(this.bytes.toString('utf8', this.starts[index], this.ends[index]));
    }
    this.sets[this.top] = names;
    return names;
  }
}
