import { createHash } from 'node:crypto';
import { Denial } from '../../../domain/denial.ts';
import type { LogLevel } from '../../../domain/session-form.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { UpstreamRequest, Upstreams } from '../../../ports/upstreams.ts';
import { credentials } from './carried.ts';
import { endSession, type OpenSession, openSession } from './open-session.ts';
import type { Behalf } from './questions.ts';

/** A caller's share of a session that others of the same key may be using at the same time. */
export interface SessionUse {
  readonly session: OpenSession;
  /** The caller is done. */
  release(): void;
  /** The upstream no longer knows it: nobody else is given it. */
  lost(): void;
}

export interface UpstreamSessions {
  /** @throws Denial where none can be opened: nothing of the caller's request was sent then */
  use(request: UpstreamRequest, wishes: { logLevel?: LogLevel; timeoutMs: number }): Promise<SessionUse>;
  readonly size: number;
  /** Ends all of them. */
  close(): Promise<void>;
}

interface Kept {
  readonly opening: Promise<OpenSession>;
  readonly behalf: Behalf;
  users: number;
  usedAt: number;
}

/** How many sessions this process keeps open for stateless clients, and for how long one that nobody uses, in milliseconds. */
const sessionsMax = 1_000;
const idleMsMax = 300_000;
const tendEveryMs = 30_000;

/**
 * Sessions that the bridge opened for callers who know none: one for each key, upstream, credentials and wanted log level, shared by all
 * calls that agree in these. A cache of this process and nothing more: any replica opens its own (I9), and one that is lost is opened anew.
 */
export function createUpstreamSessions({ upstreams, clock }: { upstreams: Upstreams; clock: Clock }): UpstreamSessions {
  const kept = new Map<string, Kept>();

  const end = async (key: string, entry: Kept): Promise<void> => {
    if (kept.get(key) === entry) kept.delete(key);
    const session = await entry.opening.catch(() => undefined);
    if (session) await endSession(upstreams, entry.behalf, session);
  };
  const makeRoom = (): void => {
    if (kept.size < sessionsMax) return;
    // The oldest that is not in use; a map keeps the order, and a session that is used moves to the end.
    const idle = [...kept].find(([, { users }]) => users === 0);
    if (!idle) throw new Denial('OVERLOADED', { detail: 'Too many upstream sessions are in use.', facts: { outcome: 'not-sent' } });
    void end(...idle);
  };
  const open = (key: string, request: UpstreamRequest, wishes: { logLevel?: LogLevel; timeoutMs: number }): Kept => {
    makeRoom();
    const { upstream, url, headers, keyId } = request;
    const behalf = { upstream, keyId, headers, ...(url === undefined ? {} : { url }) };
    const opening = openSession(upstreams, { behalf, logLevel: wishes.logLevel, timeoutMs: wishes.timeoutMs });
    const entry: Kept = { opening, behalf, users: 0, usedAt: clock.monotonic() };
    kept.set(key, entry);
    opening.catch(() => kept.get(key) === entry && kept.delete(key));
    return entry;
  };
  const tending = setInterval(() => {
    const now = clock.monotonic();
    for (const [key, entry] of kept) if (entry.users === 0 && now - entry.usedAt >= idleMsMax) void end(key, entry);
  }, tendEveryMs);
  tending.unref();

  return {
    async use(request, wishes) {
      const key = keyOf(request, wishes.logLevel);
      const entry = kept.get(key) ?? open(key, request, wishes);
      kept.delete(key);
      kept.set(key, entry);
      entry.users += 1;
      let used = true;
      const release = () => {
        if (used) entry.users -= 1;
        used = false;
        entry.usedAt = clock.monotonic();
      };
      try {
        const session = await entry.opening;
        return { session, release, lost: () => kept.get(key) === entry && kept.delete(key) };
      } catch (thrown) {
        release();
        throw thrown;
      }
    },
    get size() {
      return kept.size;
    },
    async close() {
      clearInterval(tending);
      await Promise.all([...kept].map(([key, entry]) => end(key, entry)));
    },
  };
}

/** Credentials are in it as a digest alone (I5). */
function keyOf({ keyId, upstream, url, headers }: UpstreamRequest, logLevel: LogLevel | undefined): string {
  const secret = createHash('sha256')
    .update(JSON.stringify(credentials(headers)))
    .digest('base64url');
  return JSON.stringify([keyId, upstream, url, secret, logLevel]);
}
