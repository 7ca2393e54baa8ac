import type { Journal } from '../../ports/journal.ts';

/**
 * The position of the last record older than `since`, 0 where none is: a reader that begins there gets every younger one. Found in as many
 * steps as halving the journal takes; records of several partitions are in order of time up to their clocks.
 * @param since milliseconds since the epoch
 */
export async function firstPosition(journal: Journal, since: number): Promise<number> {
  let low = 0;
  let high = await journal.head();
  // Up to `low` all are older; none after `high` is.
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [line] = await journal.read({ after: middle, limit: 1 });
    if (line && line.position <= high && timeOf(line.text) < since) low = line.position;
    else high = middle;
  }
  return low;
}

/** NaN for what has no time: it is not older than anything. */
function timeOf(text: string): number {
  try {
    return Date.parse(String((JSON.parse(text) as { time?: unknown } | null)?.time));
  } catch {
    return Number.NaN;
  }
}
