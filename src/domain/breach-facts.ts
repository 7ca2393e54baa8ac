import { formatMicros } from './money.ts';
import type { RecordFacts } from './record.ts';

/** What a refusal by a limit says in the journal: money as decimal strings, counts as numbers; `held` is always a string, as in every record. */
export function breachFacts(breach: {
  readonly limitName: string;
  readonly unit: 'micros' | 'calls';
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly resetAt?: number;
}): Partial<RecordFacts> {
  const { limitName, unit, limit, spent, held, resetAt } = breach;
  const amount = (value: number): string | number => (unit === 'micros' ? formatMicros(value) : value);
  const reset = resetAt === undefined ? {} : { resetAt: new Date(resetAt).toISOString() };
  return { limitName, limit: amount(limit), spent: amount(spent), held: String(amount(held)), ...reset };
}

/** What a record of a threshold says: whose limit has come how far, as of the commit that carried it there. */
export function thresholdFacts(reached: {
  readonly holder: string;
  readonly limitName: string;
  readonly unit: 'micros' | 'calls';
  /** Percentage of the limit. */
  readonly threshold: number;
  readonly limit: number;
  readonly spent: number;
  readonly held: number;
  readonly resetAt?: number;
  readonly soft: boolean;
}): RecordFacts {
  const { holder, threshold, soft } = reached;
  const whose = holder.startsWith('account:') ? { account: holder.slice('account:'.length) } : { keyId: holder };
  return { kind: 'limit.threshold', ...whose, threshold, ...breachFacts(reached), ...(soft && { soft }) };
}
