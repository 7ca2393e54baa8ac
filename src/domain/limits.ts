import type { Calendar } from './calendar.ts';
import type { Budget, Cap, KeyRecord, Per } from './key.ts';

/** One limit of a key or an account, in the window that holds the moment asked about. */
export interface Limit {
  /** Whose counters it reads: a key's id, or `account:<id>`. */
  readonly holder: string;
  /** Such as `key:AbCd1234 budget day`. */
  readonly limitName: string;
  readonly reason: 'BUDGET_EXHAUSTED' | 'CAP_EXCEEDED';
  readonly unit: 'micros' | 'calls';
  readonly limit: number;
  /** Exact tool name, or a prefix where it ends in `*`; undefined counts every call. */
  readonly tool: string | undefined;
  /** True where it warns and refuses nothing. */
  readonly soft: boolean;
  /** Names the counter within the holder. Two limits that count the same thing share one. */
  readonly counter: string;
  /** Start of the window; a counter has one pair of numbers per window. */
  readonly start: number;
  readonly end: number | undefined;
}

/** What stands against a limit: micro-units or calls. */
export interface Standing {
  readonly spent: number;
  readonly held: number;
}

/** Every limit of one key as of `now`: first uses, then caps, then budgets. Ancestors are asked one by one by the caller. */
export function limitsOf(key: KeyRecord, calendar: Calendar, now: number): Limit[] {
  const { id: holder, maxUses } = key;
  const owner = `key:${holder}`;
  const counted = windowLimits({ holder, owner, limits: key, calendar, now });
  if (maxUses === undefined) return counted;
  const never = { start: 0, end: undefined };
  const limitName = `${owner} uses`;
  const uses: Limit = {
    holder,
    limitName,
    reason: 'CAP_EXCEEDED',
    unit: 'calls',
    limit: maxUses,
    tool: undefined,
    soft: false,
    counter: 'uses',
    ...never,
  };
  return [uses, ...counted];
}

/** The limits of an account besides its balance, for what all its live keys take together. */
export function accountLimitsOf(account: AccountLimits, calendar: Calendar, now: number): Limit[] {
  const owner = accountHolder(account.id);
  return windowLimits({ holder: owner, owner, limits: account, calendar, now });
}

export interface AccountLimits {
  readonly id: string;
  readonly budgets: readonly Budget[];
  readonly caps: readonly Cap[];
}

/** Whose counters an account's limits read. No key id holds a colon. */
export function accountHolder(accountId: string): string {
  return `account:${accountId}`;
}

/** Whether a call counts against a limit. A call without a price passes an exhausted budget: a budget is about money. */
export function countsAgainst(
  limit: Pick<Limit, 'unit' | 'tool'>,
  call: { readonly tool?: string | undefined; readonly price: number },
): boolean {
  if (limit.unit === 'micros' && call.price === 0) return false;
  if (limit.tool === undefined) return true;
  if (call.tool === undefined) return false;
  return limit.tool.endsWith('*') ? call.tool.startsWith(limit.tool.slice(0, -1)) : call.tool === limit.tool;
}

function windowLimits(options: {
  holder: string;
  owner: string;
  limits: { budgets: readonly Budget[]; caps: readonly Cap[] };
  calendar: Calendar;
  now: number;
}): Limit[] {
  const { holder, owner, limits, calendar, now } = options;
  const caps = limits.caps.map(({ per, zone, tool, calls: limit, soft = false }): Limit => {
    const counter = `calls ${per} ${zoneOf(per, zone)} ${tool ?? ''}`;
    const limitName = `${owner} cap ${per}${named(tool)}`;
    const { start, end } = windowOf(calendar, { per, zone }, now);
    return { holder, limitName, reason: 'CAP_EXCEEDED', unit: 'calls', limit, tool, soft, counter, start, end };
  });
  const budgets = limits.budgets.map(({ per, zone, tool, amount, soft = false }): Limit => {
    const counter = `micros ${per} ${zoneOf(per, zone)}${named(tool)}`;
    const limitName = `${owner} budget ${per}${named(tool)}`;
    const { start, end } = windowOf(calendar, { per, zone }, now);
    return { holder, limitName, reason: 'BUDGET_EXHAUSTED', unit: 'micros', limit: amount, tool, soft, counter, start, end };
  });
  return [...caps, ...budgets];
}

function named(tool: string | undefined): string {
  return tool === undefined ? '' : ` ${tool}`;
}

/** The window of a limit that holds the moment. A total never resets, so the calendar and the zone have no say in it. */
export function windowOf(
  calendar: Calendar,
  { per, zone }: { per: Per; zone: string },
  now: number,
): { start: number; end: number | undefined } {
  return per === 'total' ? { start: 0, end: undefined } : calendar.window(per, zone, now);
}

/** The zone as counters are named by it. */
export function zoneOf(per: Per, zone: string): string {
  return per === 'total' ? '' : zone;
}
