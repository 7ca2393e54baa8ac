const quote = 0x22;
const backslash = 0x5c;

/** Bytes that must follow for words to be worth it. */
const wordsMin = 64;
/** Plain bytes after which it is worth it to ask where the text ends: what is left to look for then are control characters and what is not ASCII. */
const longMin = 1_024;

/**
 * Finds where a run of plain characters in a JSON string ends: ASCII that is no control character, no quote and no backslash. Long texts are the
 * most of a long answer, so these are passed several words at a time, at a fraction of the cost of single bytes (measured).
 */
export class PlainRun {
  private readonly bytes: Buffer;
  private words: Uint32Array | undefined;
  /** Offset of the first word in the bytes: words begin at multiples of four of what lies beneath them. */
  private readonly firstWord: number;
  private readonly quotes: NextByte;
  private readonly backslashes: NextByte;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.firstWord = -bytes.byteOffset & 3;
    this.quotes = new NextByte(bytes, quote);
    this.backslashes = new NextByte(bytes, backslash);
  }

  /** The offset of the first byte from `at` on that is not plain, or the length. */
  end(at: number): number {
    const { bytes } = this;
    const { length } = bytes;
    if (length - at < wordsMin) return this.singly(at, length);
    const aligned = at + ((this.firstWord - at) & 3);
    const begun = this.singly(at, aligned);
    if (begun < aligned) return begun;
    const until = Math.min(length, begun + longMin);
    const near = this.wholeWords(begun, until);
    // Four words are told apart from the last of a run that is shorter.
    if (until === length || until - near >= 16) return this.singly(near, length);
    return this.singly(this.wholeRuns(near, Math.min(this.quotes.from(near), this.backslashes.from(near))), length);
  }

  private singly(from: number, until: number): number {
    const { bytes } = this;
    let at = from;
    while (at < until) {
      const byte = bytes[at] as number;
      if (byte < 0x20 || byte > 0x7f || byte === quote || byte === backslash) break;
      at++;
    }
    return at;
  }

  /** The offset of the first four words in which some byte is not plain, or that do not end before `until`. */
  private wholeWords(from: number, until: number): number {
    const { bytes, firstWord } = this;
    this.words ??= new Uint32Array(bytes.buffer, bytes.byteOffset + firstWord, (bytes.length - firstWord) >>> 2);
    const { words } = this;
    const last = ((until - firstWord) >>> 2) - 4;
    let index = (from - firstWord) >>> 2;
    while (index <= last) {
      const marks = unplain(words[index] as number) | unplain(words[index + 1] as number);
      if (((marks | unplain(words[index + 2] as number) | unplain(words[index + 3] as number)) & 0x80808080) !== 0) break;
      index += 4;
    }
    return firstWord + index * 4;
  }

  /** The same for eight words, where no quote and no backslash stands before `until`. */
  private wholeRuns(from: number, until: number): number {
    const { words, firstWord } = this;
    if (!words) return from;
    const last = ((until - firstWord) >>> 2) - 8;
    let index = (from - firstWord) >>> 2;
    while (index <= last) {
      const first = wild(words[index] as number) | wild(words[index + 1] as number) | wild(words[index + 2] as number);
      const second = wild(words[index + 3] as number) | wild(words[index + 4] as number) | wild(words[index + 5] as number);
      if (((first | second | wild(words[index + 6] as number) | wild(words[index + 7] as number)) & 0x80808080) !== 0) break;
      index += 8;
    }
    return firstWord + index * 4;
  }
}

/** Where a byte stands next. The runtime looks for one many times faster than a loop here can; what it found is kept, so that no byte is looked at twice. */
class NextByte {
  private readonly bytes: Buffer;
  private readonly byte: number;
  private sought = 0;
  private found = -1;

  constructor(bytes: Buffer, byte: number) {
    this.bytes = bytes;
    this.byte = byte;
  }

  /** The first offset from `at` on, or the length. */
  from(at: number): number {
    if (at >= this.sought && at <= this.found) return this.found;
    const found = this.bytes.indexOf(this.byte, at);
    this.sought = at;
    this.found = found < 0 ? this.bytes.length : found;
    return this.found;
  }
}

/**
 * Sets the highest bit of a byte that is above 0x7f, below 0x20, a quote or a backslash (the last two as zeros of a difference). What a byte borrows
 * from the next can set that one's bit too, but only where its own is set: nothing unplain is missed.
 */
function unplain(word: number): number {
  return wild(word) | ((word ^ 0x22222222) - 0x01010101) | ((word ^ 0x5c5c5c5c) - 0x01010101);
}

/** The same for a byte that is above 0x7f or below 0x20 alone. */
function wild(word: number): number {
  return word | (word - 0x20202020);
}
