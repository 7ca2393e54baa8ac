import type { Scanned } from '../../src/domain/message.ts';
import type { Verdict } from './strict-message.ts';

/** What a scan says, in the words of the independent parser. */
export function verdictOf(scanned: Scanned): Verdict {
  if (!scanned.ok) return scanned.reason;
  const { message } = scanned;
  if (message.kind === 'response') return { kind: message.kind, id: message.id, outcome: message.outcome };
  const { name, uri } = message.params;
  return {
    kind: message.kind,
    ...(message.kind === 'request' && { id: message.id }),
    method: message.method,
    ...(name !== undefined && { name }),
    ...(uri !== undefined && { uri }),
  };
}
