import { wallClock } from './calendar.ts';
import type { Per } from './key.ts';
import { formatMicros, microsMax } from './money.ts';
import { fold } from './params.ts';
import type { RiskLimit } from './policy.ts';

/** One call's share of a running total of an argument: what the ledger holds and settles for the key. Amounts in millionths. */
export interface RunningTotal {
  readonly name: string;
  readonly amount: number;
  readonly limit: number;
  readonly per: Per;
  readonly zone: string;
}

/** A limit that refuses a call. */
export interface RiskBreach {
  /** The limit in words, such as `amount max 100`. */
  readonly limit: string;
  /** Why it refuses, as a sentence. Never quotes an argument's value. */
  readonly problem: string;
}

export interface RiskJudgement {
  /** The first limit in the written order that refuses. */
  readonly breach?: RiskBreach;
  /** What the running totals are to be charged with; empty where a limit refuses. */
  readonly totals: readonly RunningTotal[];
}

/**
 * Judges a rule's limits on one call. Each limit requires: its argument must be there, be of the right kind and be within, or the call is
 * refused (I6). Whether a running total still has room is for the ledger to say, in the commit that takes it.
 * @param call.args `params.arguments` as JSON.parse gives it  @param call.now milliseconds since the epoch  @param call.rule names the totals
 */
export function judgeLimits(limits: readonly RiskLimit[], call: { args: unknown; now: number; rule: string }): RiskJudgement {
  const totals: RunningTotal[] = [];
  for (const limit of limits) {
    const problem = limit.kind === 'hours' ? hoursProblem(limit, call.now) : argumentProblem(limit, call, totals);
    if (problem !== undefined) return { breach: { limit: limitText(limit), problem }, totals: [] };
  }
  return { totals };
}

/** A limit in words, as refusals and listings show it. */
export function limitText(limit: RiskLimit): string {
  if (limit.kind === 'max') return `${limit.argument} max ${formatMicros(limit.max)}`;
  if (limit.kind === 'oneOf') {
    const more = limit.values.length > valuesShownMax ? ', …' : '';
    return `${limit.argument} one of ${limit.values.slice(0, valuesShownMax).join(', ')}${more}`;
  }
  const zone = limit.zone === 'UTC' ? '' : ` ${limit.zone}`;
  if (limit.kind === 'total') return `${limit.argument} total ${formatMicros(limit.limit)} per ${limit.per}${zone}`;
  const days = limit.days.length === dayNames.length ? '' : ` ${limit.days.map((day) => dayNames[day - 1]).join(' ')}`;
  return `hours ${clockText(limit.from)}-${clockText(limit.to)}${days}${zone}`;
}

const valuesShownMax = 10;

/** How days are written, from Monday. */
export const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

function argumentProblem(
  limit: Exclude<RiskLimit, { kind: 'hours' }>,
  call: { args: unknown; rule: string },
  totals: RunningTotal[],
): string | undefined {
  const found = lookUp(call.args, limit.argument);
  if ('problem' in found) return found.problem;
  if (limit.kind === 'oneOf') {
    return limit.values.some((value) => value === found.value)
      ? undefined
      : `The argument ${limit.argument} is not one of the allowed values.`;
  }
  const amount = toMillionths(found.value);
  if (amount === undefined) return `The argument ${limit.argument} is not a number from 0 to ${formatMicros(microsMax)}.`;
  if (limit.kind === 'max')
    return amount <= limit.max ? undefined : `The argument ${limit.argument} is more than ${formatMicros(limit.max)}.`;
  totals.push({ name: `${call.rule} ${limit.argument}`, amount, limit: limit.limit, per: limit.per, zone: limit.zone });
  return undefined;
}

/**
 * The value at a dotted path, through objects alone. A member whose name differs from the wanted one only in case makes the arguments
 * readable in two ways (an upstream in Go takes either, and the last one wins), so it refuses.
 */
function lookUp(args: unknown, path: string): { value: unknown } | { problem: string } {
  let value = args;
  for (const name of path.split('.')) {
    const missing = { problem: `The argument ${path} is missing.` };
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return missing;
    const folded = fold(name);
    const variant = Object.keys(value).some((other) => other !== name && other.length === name.length && fold(other) === folded);
    if (variant) return { problem: `The argument ${path} is there in another spelling too.` };
    if (!Object.hasOwn(value, name)) return missing;
    value = (value as Record<string, unknown>)[name];
  }
  return { value };
}

const decimal = /^([0-9]+)(?:\.([0-9]+))?(?:e([+-][0-9]+))?$/;

/**
 * A JSON number from 0 to one billion in millionths, rounded up, so that a smaller part is never free; undefined for anything else. Works on
 * the shortest decimal text of the number, because 1.1 * 1e6 need not be a whole number.
 */
export function toMillionths(value: unknown): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value * 1e6 > microsMax) return undefined;
  const match = decimal.exec(String(value));
  if (!match) return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  // The digits, and how many of them stand before the point of the millionths.
  const digits = `${whole}${fraction}`;
  const before = whole.length + Number(exponent) + 6;
  const kept = before <= 0 ? '0' : digits.slice(0, before).padEnd(before, '0');
  const rest = before <= 0 ? digits : digits.slice(before);
  return Number(kept) + (/[1-9]/.test(rest) ? 1 : 0);
}

/** The day of a window that spans midnight is the day it begins on. */
function hoursProblem({ from, to, days, zone }: Extract<RiskLimit, { kind: 'hours' }>, now: number): string | undefined {
  const { minute, day } = wallClock(zone, now);
  const before = day === 1 ? 7 : day - 1;
  const inside =
    from < to
      ? minute >= from && minute < to && days.includes(day)
      : (minute >= from && days.includes(day)) || (minute < to && days.includes(before));
  return inside ? undefined : 'This call is not admitted at this time.';
}

function clockText(minutes: number): string {
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}
