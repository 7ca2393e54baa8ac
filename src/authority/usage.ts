import type { KeyRecord } from '../domain/key.ts';
import { formatMicros } from '../domain/money.ts';
import type { UsageLine } from '../ports/ledger.ts';
import type { Authority } from './authority.ts';
import { type Confined, findKey, keyPage, type Page, type PageRequest } from './list.ts';
import { type KeyStatus, statusOf, timeText } from './view.ts';

/** One limit as it stands. Amounts are decimal strings, counts whole numbers. */
export interface LimitView {
  readonly name: string;
  readonly unit: 'money' | 'calls';
  readonly limit: string | number;
  readonly spent: string | number;
  readonly held: string | number;
  /** Never below nothing, even where a limit was lowered under what is spent. */
  readonly remaining: string | number;
  /** Null where it never resets. */
  readonly resetAt: string | null;
}

/** What a key has used: its own limits, its ancestors' and its account's. */
export interface UsageView {
  readonly id: string;
  readonly name: string;
  readonly environment: string;
  readonly status: KeyStatus;
  readonly accountId: string | null;
  readonly limits: readonly LimitView[];
}

/** @throws NotFound */
export function keyUsage(authority: Authority, id: string, by: Confined = {}): UsageView {
  return usageOf(authority, findKey(authority, id, by));
}

/** One page of keys with their use. @throws RequestProblems */
export function listUsage(authority: Authority, request: PageRequest, by: Confined = {}): Page<UsageView> {
  const page = keyPage(authority, request, by);
  return { data: page.data.map((key) => usageOf(authority, key)), nextCursor: page.nextCursor };
}

function usageOf(authority: Authority, key: KeyRecord): UsageView {
  const now = authority.clock.now();
  const ancestors = key.parentIds.map((id) => authority.keyring.get(id)).filter((parent) => parent !== undefined);
  return {
    id: key.id,
    name: key.name,
    environment: key.environment,
    status: statusOf(key, now),
    accountId: key.accountId ?? null,
    limits: authority.ledger.usage({ key, ancestors, now }).map(viewLimit),
  };
}

function viewLimit(line: UsageLine): LimitView {
  const amount = (value: number): string | number => (line.unit === 'micros' ? formatMicros(value) : value);
  return {
    name: line.limitName,
    unit: line.unit === 'micros' ? 'money' : 'calls',
    limit: amount(line.limit),
    spent: amount(line.spent),
    held: amount(line.held),
    remaining: amount(Math.max(0, line.limit - line.spent - line.held)),
    resetAt: line.resetAt === undefined ? null : timeText(line.resetAt),
  };
}
