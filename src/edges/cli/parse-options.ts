import { InvalidArgumentError } from 'commander';
import { parseLifetime } from '../../authority/duration.ts';

type Written<Value> = (text: string, previous: Value | undefined) => Value;

interface Restriction {
  readonly tool?: string;
  readonly soft?: true;
}

/** `5.00/day`, `5.00/day@Europe/Berlin`, `5.00/day:tool=get_*`, `5.00/day:soft`, any number of times. The amount itself is judged by mint. */
export const budgets: Written<({ amount: string; per: string; zone?: string } & Restriction)[]> = (text, previous = []) => {
  const advice = 'Write an amount and a window, such as 5.00/day, 5.00/day@Europe/Berlin, 5.00/day:tool=get_* or 5.00/day:soft.';
  const match = /^([^/@:\s]+)\/([a-z]+)(?:@([^:\s]+))?(?::(.+))?$/s.exec(text);
  if (!match) throw new InvalidArgumentError(advice);
  const [, amount = '', per = '', zone, rest] = match;
  return [...previous, { amount, per, ...(zone === undefined ? {} : { zone }), ...restriction(rest, { advice, bare: false }) }];
};

/** `100/hour`, `100/hour:get_*`, `100/hour@Europe/Berlin:tool=get_*:soft`, any number of times. */
export const caps: Written<({ calls: number; per: string; zone?: string } & Restriction)[]> = (text, previous = []) => {
  const advice = 'Write a number of calls and a window, such as 100/hour, 100/hour:get_page or 100/hour:soft.';
  const match = /^([0-9]{1,15})\/([a-z]+)(?:@([^:\s]+))?(?::(.+))?$/s.exec(text);
  if (!match) throw new InvalidArgumentError(advice);
  const [, calls, per = '', zone, rest] = match;
  return [
    ...previous,
    { calls: Number(calls), per, ...(zone === undefined ? {} : { zone }), ...restriction(rest, { advice, bare: true }) },
  ];
};

/**
 * `tool=<name>`, `soft`, or both in any order with a colon between. A tool's name may hold colons itself; one that is called `soft`, or
 * ends so, is written `soft:tool=<name>`.
 * @param options.bare a name may stand without `tool=`
 */
function restriction(text: string | undefined, { advice, bare }: { advice: string; bare: boolean }): Restriction {
  if (text === undefined) return {};
  const soft = { soft: true } as const;
  if (text === 'soft') return soft;
  if (text.startsWith('soft:')) return { ...soft, tool: toolName(text.slice('soft:'.length), { advice, bare }) };
  if (text.endsWith(':soft')) return { ...soft, tool: toolName(text.slice(0, -':soft'.length), { advice, bare }) };
  return { tool: toolName(text, { advice, bare }) };
}

function toolName(text: string, { advice, bare }: { advice: string; bare: boolean }): string {
  const tool = text.startsWith('tool=') ? text.slice('tool='.length) : bare ? text : '';
  if (tool === '') throw new InvalidArgumentError(advice);
  return tool;
}

const secondsOf = { s: 1, m: 60, h: 3600 } as const;

/** `10/s`, `600/m`, `100/30s`. */
export const rate: Written<{ calls: number; perSeconds: number }> = (text) => {
  const match = /^([0-9]{1,15})\/([0-9]{0,5})(s|m|h)$/.exec(text);
  if (!match) throw new InvalidArgumentError('Write a number of requests and a time, such as 10/s, 600/m or 100/30s.');
  const [, calls, times, unit] = match;
  return { calls: Number(calls), perSeconds: Number(times || 1) * secondsOf[unit as keyof typeof secondsOf] };
};

/** `30d`, `12h` or `never`. */
export const lifetime: Written<string> = (text) => {
  if (text !== 'never' && parseLifetime(text) === undefined)
    throw new InvalidArgumentError('Write a lifetime such as 15m, 12h, 30d or never.');
  return text;
};

/** `read=wiki,kb`, any number of times. */
export const permissions: Written<Record<string, string[]>> = (text, previous = {}) => {
  const [action, resources] = splitAt(text, '=', 'Write an action and its resources, such as read=wiki,kb.');
  return { ...previous, [action]: [...(previous[action] ?? []), ...resources.split(',')] };
};

/** `team=search`, any number of times. */
export const metadata: Written<Record<string, string>> = (text, previous = {}) => {
  const [name, value] = splitAt(text, '=', 'Write a name and a value, such as team=search.');
  if (Object.hasOwn(previous, name)) throw new InvalidArgumentError('The name is given twice.');
  return { ...previous, [name]: value };
};

/** A whole number within bounds, both included. */
export function wholeNumber(bounds: { min: number; max: number }): Written<number> {
  return (text) => {
    const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= bounds.min && value <= bounds.max)) {
      throw new InvalidArgumentError(`Write a whole number from ${bounds.min} to ${bounds.max}.`);
    }
    return value;
  };
}

function splitAt(text: string, separator: string, advice: string): [string, string] {
  const at = text.indexOf(separator);
  if (at < 1) throw new InvalidArgumentError(advice);
  return [text.slice(0, at), text.slice(at + 1)];
}
