import * as z from 'zod';
import { zoneProblem } from '../domain/calendar.ts';
import { type Micros, parseMicros } from '../domain/money.ts';
import type { RiskLimit } from '../domain/policy.ts';
import { dayNames } from '../domain/risk.ts';
import type { Reading } from './problems.ts';
import { checked, meaning, oneOrMore } from './reading.ts';

/** Exact for numbers too: their shortest decimal text is what was written, as far as a number can say it. */
const amount = meaning(z.union([z.string(), z.number()]), (written): Reading<Micros> => {
  const micros = parseMicros(String(written));
  return micros === undefined
    ? { message: 'must be a decimal number with at most six places, from 0 to 1000000000', hint: 'such as "100" or 2.5' }
    : { value: micros };
});

const argument = checked((text) => {
  const parts = text.split('.');
  const fine = text.length <= 512 && parts.length <= 16 && parts.every((part) => part !== '' && !/[\x00-\x1f\x7f]/.test(part));
  return fine ? undefined : { message: "must name one of the tool's arguments", hint: 'such as amount, or order.amount inside an object' };
});

const clock = /^([01][0-9]|2[0-3]):([0-5][0-9])-(?:([01][0-9]|2[0-3]):([0-5][0-9])|24:00)$/;

const hours = meaning(z.string(), (text): Reading<{ from: number; to: number }> => {
  const match = clock.exec(text);
  const [, fromHour, fromMinute, toHour = '24', toMinute = '00'] = match ?? [];
  const from = Number(fromHour) * 60 + Number(fromMinute);
  const to = Number(toHour) * 60 + Number(toMinute);
  if (!match || from === to) return { message: 'must be a part of the day', hint: 'such as "08:00-18:00", or "22:00-06:00" over midnight' };
  return { value: { from, to } };
});

const zone = checked((text) => {
  const message = zoneProblem(text);
  return message === undefined ? undefined : { message };
});

const days = meaning(oneOrMore(z.enum(dayNames)), (names): Reading<number[]> => {
  if (new Set(names).size < names.length) return { message: 'names a day twice' };
  return { value: names.map((name) => dayNames.indexOf(name) + 1).sort() };
});

const kinds = ['max', 'oneOf', 'hours', 'total'] as const;
/** What each kind of limit is written with, beside the member that says its kind. */
const companions: Readonly<Record<(typeof kinds)[number], { needed: readonly string[]; allowed: readonly string[] }>> = {
  max: { needed: ['argument'], allowed: [] },
  oneOf: { needed: ['argument'], allowed: [] },
  hours: { needed: [], allowed: ['days', 'zone'] },
  total: { needed: ['argument', 'per'], allowed: ['zone'] },
};

const written = z.strictObject({
  argument: argument.optional().describe('The argument it is about: a name, or a dotted path.'),
  max: amount.optional().describe('Largest value in one call; the argument must be a number from 0.'),
  oneOf: z
    .array(z.union([z.string(), z.number(), z.boolean()]))
    .min(1)
    .optional()
    .describe('The only values allowed.'),
  hours: hours.optional().describe('When calls are admitted: HH:MM-HH:MM.'),
  days: days.optional().describe('With hours: on which days; every day unless set.'),
  total: amount.optional().describe("Largest sum of the argument over one key's calls in each window."),
  per: z.enum(['minute', 'hour', 'day', 'week', 'month', 'total']).optional().describe('With total: the window.'),
  zone: zone.optional().describe('With hours or total: IANA time zone; UTC unless set.'),
});

type Written = z.output<typeof written>;

const limit = written.transform((stated, check): RiskLimit => {
  // A mistyped member is reported already; that the right one is missing follows from it.
  if (check.issues.length > 0) return z.NEVER;
  const reading = read(stated);
  if ('value' in reading) return reading.value;
  check.issues.push({ code: 'custom', input: undefined, message: reading.message, params: { hint: reading.hint } });
  return z.NEVER;
});

function read(stated: Written): Reading<RiskLimit> {
  const present = (Object.keys(stated) as (keyof Written)[]).filter((name) => stated[name] !== undefined);
  const [kind, second] = kinds.filter((name) => present.includes(name));
  const forms = 'argument with max, oneOf, or total and per; or hours';
  if (kind === undefined || second !== undefined) {
    return { message: kind === undefined ? 'says no limit' : `says both ${kind} and ${second}`, hint: `one limit is ${forms}` };
  }
  const { needed, allowed } = companions[kind];
  const missing = needed.find((name) => !(present as string[]).includes(name));
  if (missing !== undefined) return { message: `needs ${missing} beside ${kind}`, hint: `one limit is ${forms}` };
  const stray = present.find((name) => ![kind, ...needed, ...allowed].includes(name));
  if (stray !== undefined) return { message: `has ${stray}, which says nothing beside ${kind}`, hint: `one limit is ${forms}` };
  return { value: compile(stated) };
}

/** Which members there are has been judged. */
function compile({ argument = '', max, oneOf, hours, days, total, per = 'total', zone = 'UTC' }: Written): RiskLimit {
  if (max !== undefined) return { kind: 'max', argument, max };
  if (oneOf !== undefined) return { kind: 'oneOf', argument, values: oneOf };
  if (hours !== undefined) return { kind: 'hours', ...hours, days: days ?? [1, 2, 3, 4, 5, 6, 7], zone };
  return { kind: 'total', argument, limit: total ?? 0, per, zone };
}

/** The `limits` of a tool's rule. */
export const riskLimitsSchema = meaning(z.array(limit), (limits): Reading<RiskLimit[]> => {
  const counters = limits.flatMap((each) =>
    each.kind === 'total' ? [`${each.argument} ${each.per} ${each.per === 'total' ? '' : each.zone}`] : [],
  );
  return new Set(counters).size === counters.length ? { value: limits } : { message: 'has two totals over the same argument and window' };
});
