/**
 * Reads of one thing that are asked for at the same time become one read, so that a thousand requests with one cold key ask the store once.
 * Nobody gets an answer that may be older than their question: a read that began earlier stands for them only where it is still good.
 * @returns reads what `name` stands for, with `begin` where nobody is doing so
 */
export function createSharedReads<Read>(isGood: (read: Read) => boolean): (name: string, begin: () => Promise<Read>) => Promise<Read> {
  const running = new Map<string, Promise<Read>>();
  return async (name, begin) => {
    const earlier = running.get(name);
    if (earlier) {
      const read = await earlier;
      if (isGood(read)) return read;
    }
    // Another that waited may have begun one by now, which is later than this question.
    const later = running.get(name);
    if (later !== undefined && later !== earlier) return await later;
    const own = begin();
    running.set(name, own);
    try {
      return await own;
    } finally {
      if (running.get(name) === own) running.delete(name);
    }
  };
}
