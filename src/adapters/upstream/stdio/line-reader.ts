const lf = 0x0a;

class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/** Splits bytes into lines, without their ends; an unfinished line is kept for the next chunk. */
export interface LineReader {
  /** @throws LineTooLong */
  push(chunk: Buffer): Buffer[];
}

/** @param bytesMax longest line, read at each chunk: whoever never ends a line cannot fill memory */
export function createLineReader(bytesMax: () => number): LineReader {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  return {
    push(chunk) {
      const lines: Buffer[] = [];
      const most = bytesMax();
      let start = 0;
      for (let end = chunk.indexOf(lf); end >= 0; end = chunk.indexOf(lf, start)) {
        const piece = chunk.subarray(start, end);
        if (pendingBytes + piece.length > most) throw new LineTooLong(`a line is longer than ${most} bytes`);
        lines.push(pending.length > 0 ? Buffer.concat([...pending, piece]) : piece);
        pending = [];
        pendingBytes = 0;
        start = end + 1;
      }
      if (start < chunk.length) {
        pending.push(chunk.subarray(start));
        pendingBytes += chunk.length - start;
        if (pendingBytes > most) throw new LineTooLong(`a line is longer than ${most} bytes`);
      }
      return lines;
    },
  };
}
