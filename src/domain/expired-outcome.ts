import { formatMicros } from './money.ts';
import type { RecordFacts } from './record.ts';

/** The outcome of a hold that expired: who and what from its intent, where that is still known. */
export function expiredOutcome(options: {
  intent: Readonly<Record<string, unknown>>;
  keyId: string;
  reservationId: string;
  /** Micro-units. */
  charged: number;
}): RecordFacts {
  const { intent, keyId, reservationId, charged } = options;
  const facts = Object.fromEntries(Object.entries(intent).filter(([name]) => repeatedFacts.has(name)));
  return { ...facts, kind: 'call.outcome', keyId, reservationId, status: 'hold-expired', ending: 'lost', charged: formatMicros(charged) };
}

const repeatedFacts: ReadonlySet<string> = new Set([
  'requestId',
  'parentIds',
  'org',
  'agent',
  'bot',
  'account',
  'environment',
  'onBehalfOf',
  'address',
  'upstream',
  'method',
  'tool',
  'resource',
  'prompt',
  'rule',
  'ruleRevision',
]);
