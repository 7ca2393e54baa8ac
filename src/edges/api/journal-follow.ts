import { setTimeout as wait } from 'node:timers/promises';
import { permits } from '../../authority/confine.ts';
import { readLines } from '../../authority/export-journal.ts';
import type { Caller } from '../../ports/callers.ts';
import type { JournalLine } from '../../ports/journal.ts';
import type { Reply } from '../../ports/reply.ts';
import { refuseDead } from '../../stages/authenticate.ts';
import type { ApiDeps } from './deps.ts';

/** How often a followed journal is read again. The store tells of commits of other processes only when asked. */
const followMs = 200;
/** How often the store is asked to make what was committed readable, which may cost it a write. */
const freshMs = 1_000;
/** Time between two comments in a quiet event stream, so that proxies and clients know that it lives. */
const heartbeatMs = 15_000;
/** Records looked through before other requests get a turn. */
const turnRecords = 500;

export interface Follow {
  readonly caller: Caller;
  readonly after: number;
  readonly matches: (text: string) => boolean;
  /** Server-sent events where the client asked for them, else one record a line. */
  readonly events: boolean;
  /** Makes what was committed readable; one for all that follow here. */
  readonly refresh: () => Promise<void>;
}

/** At most once a second, however many follow. */
export function createRefresh({ journal, clock }: Pick<ApiDeps['authority'], 'journal' | 'clock'>): () => Promise<void> {
  let askedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    if (clock.monotonic() - askedAt < freshMs) return;
    askedAt = clock.monotonic();
    await journal.head();
  };
}

/**
 * Writes records as they are committed, until the client goes, the key dies (I3) or this process drains. Ids of events are positions,
 * so a client that comes back with `Last-Event-ID` misses nothing.
 */
export async function followJournal(
  deps: Pick<ApiDeps, 'authority' | 'callers' | 'draining'>,
  follow: Follow,
  reply: Reply,
): Promise<void> {
  const { matches, events } = follow;
  const { journal, clock } = deps.authority;
  const gone = new AbortController();
  reply.onGone(() => gone.abort());
  reply.head(200, { 'content-type': events ? 'text/event-stream' : 'application/x-ndjson', 'x-accel-buffering': 'no' }, true);
  const { signal } = gone;
  let { after } = follow;
  let spoke = clock.monotonic();
  let free = true;
  reply.onDrain(() => {
    free = true;
  });
  while (!signal.aborted && !reply.closed && !deps.draining() && (await isAlive(deps, follow.caller))) {
    let read = 0;
    if (free) {
      await follow.refresh();
      for await (const line of readLines(journal, { after })) {
        after = line.position;
        read += 1;
        if (matches(line.text)) {
          free = reply.write(lineText(line, events));
          spoke = clock.monotonic();
        }
        if (!free || read === turnRecords) break;
      }
    }
    if (free && events && clock.monotonic() - spoke >= heartbeatMs) {
      free = reply.write(':\n\n');
      spoke = clock.monotonic();
    }
    await wait(free && read === turnRecords ? 0 : followMs, undefined, { signal }).catch(() => undefined);
  }
  if (!reply.closed) reply.end();
}

function lineText({ position, text }: JournalLine, events: boolean): string {
  return events ? `id: ${position}\ndata: ${text}\n\n` : `${text}\n`;
}

/** The caller from the newest records; a revoked, expired, rotated or deleted one reads no further, nor one that lost the right to. */
async function isAlive({ callers, authority }: Pick<ApiDeps, 'callers' | 'authority'>, caller: Caller): Promise<boolean> {
  const now = await callers.again(caller);
  if (now === undefined || permits(now, 'journal.read') !== undefined) return false;
  try {
    refuseDead(now, authority.clock.now());
    return true;
  } catch {
    return false;
  }
}
