import type { Calendar } from '../domain/calendar.ts';
import type { Per } from '../domain/key.ts';
import { accountLimitsOf, type Limit } from '../domain/limits.ts';

/** Members of keys and accounts that hold limits. */
export type LimitList = 'budgets' | 'caps' | 'maxUses';

/** The member of a key or an account that a limit stands in. */
export function listOf({ unit, counter }: Pick<Limit, 'unit' | 'counter'>): LimitList {
  if (unit === 'micros') return 'budgets';
  return counter === 'uses' ? 'maxUses' : 'caps';
}

/**
 * Names of the counters that a list has from a record on; undefined where the record does not state it.
 * @param record a journal record of a key's or an account's making or change
 */
export function countersStated(record: Readonly<Record<string, unknown>>, list: LimitList, calendar: Calendar): Set<string> | undefined {
  const stated = record[list];
  if (list === 'maxUses') return stated === undefined ? undefined : new Set(stated === null ? [] : ['uses']);
  if (!Array.isArray(stated)) return undefined;
  const counters = stated.map((text) => counterOf(String(text), list, calendar));
  return new Set(counters.filter((counter) => counter !== undefined));
}

/** As the journal names limits: `5/day@UTC:tool=get_*:soft`. */
const limitText = /^[0-9.]+\/([a-z]+)@([^:]*)(?::tool=(.*?))?(?::soft)?$/s;

function counterOf(text: string, list: 'budgets' | 'caps', calendar: Calendar): string | undefined {
  const [whole, per, zone = '', tool] = limitText.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const window = { per: per as Per, zone, ...(tool !== undefined && { tool }) };
  const budgets = list === 'budgets' ? [{ ...window, amount: 0 as never }] : [];
  const caps = list === 'caps' ? [{ ...window, calls: 0 }] : [];
  return accountLimitsOf({ id: '', budgets, caps }, calendar, 0)[0]?.counter;
}
