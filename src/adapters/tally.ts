import type { Reason } from '../domain/denial.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log, Tally } from '../ports/observe.ts';

export interface FlushingTally extends Tally {
  /** Journals what was counted since the last flush. A failed flush keeps its counts for the next. */
  flush(): Promise<void>;
}

/** Distinct reason and prefix pairs kept between flushes; the rest is counted under the prefix `other`. */
const linesMax = 1_000;

/** Counts refusals in memory and journals the sums: a flood of bad keys costs one record for each reason and address prefix. */
export function createTally(options: { ledger: Ledger; clock: Clock; log: Log }): FlushingTally {
  const { ledger, clock, log } = options;
  let counted = new Map<string, { reason: Reason; addressPrefix: string; count: number }>();
  let missed = new Map<Reason, number>();
  let since = clock.now();
  let missedSince = 0;
  let flushing = Promise.resolve();

  /** The bound holds for counts that come back from a failed flush too: the store may be away for hours. */
  const add = (reason: Reason, prefix: string, count: number): void => {
    const kept = counted.has(`${reason} ${prefix}`) || counted.size < linesMax ? prefix : 'other';
    const line = counted.get(`${reason} ${kept}`);
    if (line) line.count += count;
    else counted.set(`${reason} ${kept}`, { reason, addressPrefix: kept, count });
  };

  const flushOnce = async (): Promise<void> => {
    const now = clock.now();
    const began = since;
    const from = new Date(began).toISOString();
    const to = new Date(now).toISOString();
    const [lines, gaps, gapBegan] = [counted, missed, missedSince];
    counted = new Map();
    missed = new Map();
    since = now;
    try {
      if (gaps.size > 0) {
        await ledger.record({ kind: 'gap', from: new Date(gapBegan).toISOString(), to, refusals: Object.fromEntries(gaps) });
        gaps.clear();
      }
      for (const [name, line] of lines) {
        await ledger.record({ kind: 'refusals.counted', decision: 'refused', ...line, from, to });
        lines.delete(name);
      }
    } catch (error) {
      log.fault('refusal counts could not be journalled; they are kept', error);
      since = began;
      if (gaps.size > 0) missedSince = gapBegan;
      for (const { reason, addressPrefix, count } of lines.values()) add(reason, addressPrefix, count);
      for (const [reason, count] of gaps) missed.set(reason, (missed.get(reason) ?? 0) + count);
    }
  };

  return {
    count: (reason, address) => add(reason, prefixOf(address), 1),
    missed(reason) {
      if (missed.size === 0) missedSince = clock.now();
      missed.set(reason, (missed.get(reason) ?? 0) + 1);
    },
    flush() {
      // One after the other: the last one, before the store closes, must wait for the one that is under way.
      flushing = flushing.then(flushOnce);
      return flushing;
    },
  };
}

/** IPv4 by /24, IPv6 by /48: enough to see where a flood comes from, coarse enough to be few. */
function prefixOf(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+)\.\d+$/.exec(address);
  if (v4) return `${v4[1]}.0/24`;
  if (!address.includes(':')) return 'unknown';
  // RFC 4291, section 2.2: `::` stands for as many groups of zeros as are missing.
  const [before = [], after = []] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, 3).join(':')}::/48`;
}
