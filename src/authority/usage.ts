import type { KeyRecord } from '../domain/key.ts';
import { formatMicros } from '../domain/money.ts';
import type { UsageLine } from '../ports/ledger.ts';
import type { Authority } from './authority.ts';
import { ancestorsOf } from './descent.ts';
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
  /** Whole percent of the limit that is spent; above 100 where a soft one was passed, or a limit lowered. */
  readonly percent: number;
  /** Whether it warns and refuses nothing. */
  readonly soft: boolean;
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
export async function keyUsage(authority: Authority, id: string, by: Confined = {}): Promise<UsageView> {
  return await usageOf(authority, await findKey(authority, id, by));
}

/** One page of keys with their use. @throws RequestProblems */
export async function listUsage(authority: Authority, request: PageRequest, by: Confined = {}): Promise<Page<UsageView>> {
  const page = await keyPage(authority, request, by);
  return { data: await Promise.all(page.data.map((key) => usageOf(authority, key))), nextCursor: page.nextCursor };
}

async function usageOf(authority: Authority, key: KeyRecord): Promise<UsageView> {
  const now = authority.clock.now();
  const lines = await authority.ledger.usage({ key, ancestors: await ancestorsOf(authority, key), now });
  return {
    id: key.id,
    name: key.name,
    environment: key.environment,
    status: statusOf(key, now),
    accountId: key.accountId ?? null,
    limits: lines.map(viewLimit),
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
    percent: percentOf(line),
    soft: line.soft === true,
    resetAt: line.resetAt === undefined ? null : timeText(line.resetAt),
  };
}

/** Rounded down, in whole numbers, as thresholds are compared; a limit of nothing is used up. */
function percentOf({ spent, limit }: UsageLine): number {
  return limit === 0 ? 100 : Number((BigInt(spent) * 100n) / BigInt(limit));
}
