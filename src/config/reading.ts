import * as z from 'zod';
import type { Reading } from './problems.ts';

/**
 * A written value of shape `shape`, given its meaning by `interpret`. Meanings are checked here and not by patterns in the shape, because the
 * JSON Schema that editors use is made from the shape, and any string there may be a `${…}`.
 */
export function meaning<Shape extends z.ZodType, T>(shape: Shape, interpret: (written: z.output<Shape>) => Reading<T>) {
  return shape.transform((written, check): T => {
    const reading = interpret(written);
    if ('value' in reading) return reading.value;
    check.issues.push({ code: 'custom', input: undefined, message: reading.message, params: { hint: reading.hint } });
    return z.NEVER;
  });
}

/** One or a list of at least one; always a list afterwards. */
export function oneOrMore<Item extends z.ZodType<unknown, unknown>>(item: Item) {
  return z
    .union([item, z.array(item).min(1)])
    .transform((written): z.output<Item>[] => (Array.isArray(written) ? written : [written as z.output<Item>]));
}

/** A string that is its own meaning when `fault` finds nothing to say. */
export function checked(fault: (text: string) => { message: string; hint?: string } | undefined) {
  return meaning(z.string(), (text): Reading<string> => fault(text) ?? { value: text });
}

/** Whether a value, of which anything may be wrong, has these members and all are numbers: a check that compares them can run. */
export function hasNumbers(value: unknown, names: readonly string[]): boolean {
  return typeof value === 'object' && value !== null && names.every((name) => typeof (value as Record<string, unknown>)[name] === 'number');
}
