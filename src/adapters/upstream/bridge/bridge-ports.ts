import type { Protocol } from '../../../domain/policy.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/observe.ts';
import type { Upstreams } from '../../../ports/upstreams.ts';
import type { KnownEras } from './known-eras.ts';
import type { AnswerLimits } from './rewrite-answer.ts';
import type { ToolHeaders } from './tool-headers.ts';
import type { UpstreamSessions } from './upstream-sessions.ts';

/** What the parts of the bridge use. */
export interface BridgePorts {
  /** The upstreams themselves, each in its own era. */
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn' | 'fault'>;
  readonly protocolOf: (upstream: string) => Protocol;
  readonly limits: () => AnswerLimits;
  /** A text that nobody has used before. */
  readonly newId: () => string;
  readonly eras: KnownEras;
  readonly sessions: UpstreamSessions;
  readonly toolHeaders: ToolHeaders;
  /** How to break off what runs here for session clients, by key, session and request id. */
  readonly running: Map<string, () => void>;
}
