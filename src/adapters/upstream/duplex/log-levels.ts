import { memberAt, scalarAt } from '../../../domain/member-at.ts';
import type { NotificationMessage, RequestMessage } from '../../../domain/message.ts';
import type { Session } from './session.ts';

/** RFC 5424 severities as MCP names them, least severe first. */
const levels: readonly unknown[] = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** What a session is told that never asked for a level, where others on its link did. */
const unaskedLevel = levels.indexOf('info');

/** The rank of the level that a `logging/setLevel` asks for; undefined where it is none. */
export function levelAsked({ bytes }: RequestMessage): number | undefined {
  return rankOf(scalarAt(bytes, memberAt(bytes, ['params', 'level'])));
}

/** Whether a session wants a log message; anything else passes. */
export function passesLevel(session: Session, { method, bytes }: NotificationMessage): boolean {
  if (method !== 'notifications/message') return true;
  const rank = rankOf(scalarAt(bytes, memberAt(bytes, ['params', 'level'])));
  return rank !== undefined && rank >= (session.level ?? unaskedLevel);
}

/** The least severe level that any session asked for: what the other side must send so that each gets its own. */
export function leastLevel(sessions: Iterable<Session>): number | undefined {
  const asked = [...sessions].flatMap(({ level }) => (level === undefined ? [] : [level]));
  return asked.length === 0 ? undefined : Math.min(...asked);
}

function rankOf(level: string | number | undefined): number | undefined {
  const rank = levels.indexOf(level);
  return rank < 0 ? undefined : rank;
}
