import { redact } from '../../../domain/redact.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/observe.ts';

/** A child that writes without end must not fill the log. */
const linesPerMinuteMax = 60;
const lineCharsMax = 500;
const minuteMs = 60_000;
/** A secret that is shorter cannot be told from ordinary words. */
const secretCharsMin = 8;

/** What the children of one upstream print beside their messages, for whoever reads the log. */
export interface ChildLog {
  line(stream: 'stdout' | 'stderr', text: string): void;
  note(message: string, facts?: Readonly<Record<string, unknown>>): void;
}

/** @param options.secrets values of the child's configuration, any of which it may print */
export function createChildLog(options: {
  upstream: string;
  secrets: readonly string[];
  log: Log;
  clock: Pick<Clock, 'monotonic'>;
}): ChildLog {
  const { upstream, log, clock } = options;
  const secrets = options.secrets.filter(({ length }) => length >= secretCharsMin).toSorted((one, other) => other.length - one.length);
  let began = Number.NEGATIVE_INFINITY;
  let lines = 0;
  const clean = (text: string): string => {
    let cleaned = text.slice(0, lineCharsMax * 4);
    for (const secret of secrets) cleaned = cleaned.replaceAll(secret, '[redacted]');
    return redact(cleaned).slice(0, lineCharsMax);
  };
  return {
    line(stream, text) {
      if (text.trim() === '') return;
      const now = clock.monotonic();
      if (now - began >= minuteMs) {
        if (lines > linesPerMinuteMax) log.warn('lines of a child were left out', { upstream, lines: lines - linesPerMinuteMax });
        began = now;
        lines = 0;
      }
      lines += 1;
      if (lines === linesPerMinuteMax + 1) log.warn('a child prints too much; lines are left out for a minute', { upstream });
      if (lines > linesPerMinuteMax) return;
      const printed = stream === 'stdout' ? 'a child printed what is no message' : 'a child printed';
      log.note(printed, { upstream, stream, text: clean(text) });
    },
    note: (message, facts) => log.warn(message, { upstream, ...facts }),
  };
}
