import type { Calendar } from './calendar.ts';
import type { KeyRecord, Per } from './key.ts';

/** One limit of one key, in the window that holds the moment asked about. */
export interface Limit {
  readonly keyId: string;
  /** Such as `key:AbCd1234 budget day`. */
  readonly limitName: string;
  readonly reason: 'BUDGET_EXHAUSTED' | 'CAP_EXCEEDED';
  readonly unit: 'micros' | 'calls';
  readonly limit: number;
  /** Exact tool name, or a prefix where it ends in `*`; undefined counts every call. */
  readonly tool: string | undefined;
  /** Names the counter within the key. Two limits that count the same thing share one. */
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
  const limits: Limit[] = [];
  const { id: keyId } = key;
  if (key.maxUses !== undefined) {
    const name = `key:${keyId} uses`;
    limits.push({ keyId, limitName: name, ...calls, limit: key.maxUses, tool: undefined, counter: 'uses', start: 0, end: undefined });
  }
  for (const { per, zone, tool, calls: limit } of key.caps) {
    const { start, end } = windowOf(calendar, per, zone, now);
    const limitName = `key:${keyId} cap ${per}${tool === undefined ? '' : ` ${tool}`}`;
    limits.push({ keyId, limitName, ...calls, limit, tool, counter: `calls ${per} ${zoneOf(per, zone)} ${tool ?? ''}`, start, end });
  }
  for (const { per, zone, amount } of key.budgets) {
    const { start, end } = windowOf(calendar, per, zone, now);
    const counter = `micros ${per} ${zoneOf(per, zone)}`;
    limits.push({ keyId, limitName: `key:${keyId} budget ${per}`, ...micros, limit: amount, tool: undefined, counter, start, end });
  }
  return limits;
}

/** Whether a call counts against a limit. A call without a price passes an exhausted budget: a budget is about money. */
export function countsAgainst(limit: Limit, call: { tool: string | undefined; price: number }): boolean {
  if (limit.unit === 'micros') return call.price > 0;
  if (limit.tool === undefined) return true;
  if (call.tool === undefined) return false;
  return limit.tool.endsWith('*') ? call.tool.startsWith(limit.tool.slice(0, -1)) : call.tool === limit.tool;
}

/** Whether one more call of this price fits under the limit. */
export function hasRoom(limit: Limit, { spent, held }: Standing, price: number): boolean {
  return spent + held + (limit.unit === 'micros' ? price : 1) <= limit.limit;
}

const calls = { reason: 'CAP_EXCEEDED', unit: 'calls' } as const;
const micros = { reason: 'BUDGET_EXHAUSTED', unit: 'micros' } as const;

/** A total never resets, so the calendar and the zone have no say in it. */
function windowOf(calendar: Calendar, per: Per, zone: string, now: number): { start: number; end: number | undefined } {
  return per === 'total' ? { start: 0, end: undefined } : calendar.window(per, zone, now);
}

function zoneOf(per: Per, zone: string): string {
  return per === 'total' ? '' : zone;
}
