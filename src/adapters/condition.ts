import {
  type CelEnv,
  type CelFunc,
  type CelInput,
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celList,
  celListConcat,
  celMap,
  celMethod,
  isCelError,
  listType,
  parse,
  plan,
} from '@bufbuild/cel';
import { checkCondition } from '../domain/condition-check.ts';
import { createMeter, type Meter } from '../domain/meter.ts';
import type { Condition, ConditionVariables } from '../domain/policy.ts';

/** Reads conditions written in CEL (cel.dev, the language definition of cel-spec). */
export interface Conditions {
  /** @throws Error with the problem, where there is one */
  compile(source: string): Condition;
  /** Why a text is no condition; undefined when it is one. */
  problem(source: string): string | undefined;
}

/**
 * Conditions may name `args` (the call's arguments), `tool`, `key` (id, name, org, agent, environment) and `request` (time, a timestamp;
 * address; environment, that of the upstream). They are parsed once. At most 200 nodes, one macro over a list (all, exists, exists_one, filter, map), and patterns of matches() written out (RE2, so linear in the text).
 * JSON numbers are doubles: they compare with whole numbers (`args.quantity <= 100`), but arithmetic needs `100.0`. A member that is missing,
 * any other error, too much work on the arguments, and an outcome that is not true all mean false (I6). A member that is null is there.
 */
export function createConditions(): Conditions {
  const meter = createMeter();
  const env = celEnv({ funcs: meteredFunctions(meter) });
  // A timestamp can only be made inside an evaluation.
  const timestamp = plan(env, parse('timestamp(text)'));
  const check = (source: string) => {
    meter.reset();
    return read(source, env);
  };
  return {
    problem(source) {
      const checked = check(source);
      return 'problem' in checked ? checked.problem : undefined;
    },
    compile(source) {
      const checked = check(source);
      if ('problem' in checked) throw new Error(`the condition ${checked.problem}`);
      const { parsed, named } = checked;
      const evaluate = plan(env, parsed);
      return {
        source,
        holds(variables) {
          const { stackTraceLimit } = Error;
          try {
            // Every error inside an evaluation is an Error with a stack that nobody reads, and a list of 10^5 elements can cause one for each:
            // without stacks they cost a tenth. Nothing else runs meanwhile.
            Error.stackTraceLimit = 0;
            meter.reset();
            return evaluate(bindings(variables, named)) === true && !meter.exhausted;
          } catch {
            return false;
          } finally {
            Error.stackTraceLimit = stackTraceLimit;
          }
        },
      };
    },
  };

  /** Only what the condition names is converted: for most that is `args` alone. */
  function bindings({ args, tool, key, request }: ConditionVariables, named: ReadonlySet<string>): Record<string, CelValue> {
    // Without a prototype, since the library looks names up in it as in any object.
    const bound: Record<string, CelValue> = Object.create(null);
    bound.tool = tool;
    if (named.has('args')) bound.args = toCelValue(args, meter);
    if (named.has('key')) {
      const { id, name, org, agent, environment } = key;
      bound.key = toCelValue({ id, name, org, agent, environment }, meter);
    }
    if (named.has('request')) {
      const { time, address, environment } = request;
      const at = timestamp({ text: new Date(time).toISOString() });
      if (isCelError(at)) throw at;
      bound.request = meteredMap(new Map<string, CelInput>(Object.entries({ time: at, address, environment })), meter);
    }
    return bound;
  }
}

const sourceCharactersMax = 2_000;

function read(source: string, env: CelEnv): { parsed: ReturnType<typeof parse>; named: ReadonlySet<string> } | { problem: string } {
  if (source.trim() === '') return { problem: 'must not be empty' };
  if (source.length > sourceCharactersMax) return { problem: `must be at most ${sourceCharactersMax} characters` };
  try {
    const parsed = parse(source);
    const { problem, named } = checkCondition(parsed.expr, {
      formsOf: (name) =>
        [...(env.funcs.find(name) ?? [])].map((form) => ({ isMethod: form.target !== undefined, arguments: form.arguments.length })),
      patternProblem(pattern) {
        const outcome = env.funcs.find('matches')?.call(0, '', [pattern]);
        return typeof outcome === 'boolean' ? undefined : firstLine(outcome);
      },
    });
    return problem === undefined ? { parsed, named } : { problem };
  } catch (error) {
    return { problem: `is not valid CEL: ${firstLine(error)}` };
  }
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0]?.slice(0, 200) ?? '';
}

/**
 * JSON, as `JSON.parse` gives it, to CEL's maps, lists and doubles. The library would take objects as they are, but then a member named
 * `$typeName` turns them into messages and one named `constructor` makes it throw: here every name is an ordinary key.
 */
function toCelValue(value: unknown, meter: Meter): CelValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  // Where too much was spent the outcome is false whatever follows, and the body's own limits bound the rest.
  meter.spend(1);
  if (Array.isArray(value)) {
    const elements = value.map((element) => toCelValue(element, meter));
    return meteredList(elements, meter);
  }
  if (typeof value !== 'object') throw new Error(`a ${typeof value} is no JSON value`);
  const entries = Object.entries(value).map(([name, member]) => [name, toCelValue(member, meter)] as const);
  return meteredMap(new Map<string, CelInput>(entries), meter);
}

function meteredList(elements: readonly CelInput[], meter: Meter): CelList {
  const list = celList(elements);
  const { values, get } = list;
  function* walk(): Generator<CelValue> {
    for (const element of values.call(list)) {
      if (!meter.spend(1)) return;
      yield element;
    }
  }
  return Object.assign(list, {
    values: walk,
    [Symbol.iterator]: walk,
    get(index: number) {
      return meter.spend(1) ? get.call(list, index) : undefined;
    },
  });
}

function meteredMap(members: ReadonlyMap<string, CelInput>, meter: Meter): CelMap {
  const map = celMap(members);
  const { entries } = map;
  function* walk(): Generator<[string, CelValue]> {
    for (const [name, value] of entries.call(map)) {
      if (!meter.spend(1)) return;
      yield [String(name), value];
    }
  }
  return Object.assign(map, {
    entries: walk,
    [Symbol.iterator]: walk,
    // The library's own answer is false for a member that is null, so `!has(args.path)` would hold for a path that is there.
    has: (name: unknown) => typeof name === 'string' && members.has(name),
  });
}

/** Standard functions whose cost grows with what clients send, in a form that pays for it. They mean what they meant. */
function meteredFunctions(meter: Meter): CelFunc[] {
  const { STRING, BOOL, INT, DYN } = CelScalar;
  const list = listType(DYN);
  const standard = celEnv().funcs;
  const matches = (text: string, pattern: string): boolean => {
    const outcome = standard.find('matches')?.call(0, text, [pattern]);
    if (typeof outcome === 'boolean') return outcome;
    throw isCelError(outcome) ? outcome : new Error('matches() gave no answer');
  };
  return [
    celMethod('matches', STRING, [STRING], BOOL, function (pattern) {
      return meter.spend(this.length) && matches(this, pattern);
    }),
    celMethod('contains', STRING, [STRING], BOOL, function (part) {
      // Searching is quadratic at worst, where both are long.
      return meter.spend(Math.ceil((this.length * Math.max(part.length, 64)) / 4_096)) && this.includes(part);
    }),
    celMethod('size', STRING, [], INT, function () {
      return sizeOf(this, meter);
    }),
    celFunc('size', [STRING], INT, (text) => sizeOf(text, meter)),
    // filter() and map() build their result by adding one element at a time, and reading such a list costs the square of its length.
    celFunc('_+_', [list, list], list, (left, right) => (meter.spend(left.size) ? celListConcat(left, right) : left)),
  ];
}

/** In characters, as CEL counts them (code points). */
function sizeOf(text: string, meter: Meter): bigint {
  if (!meter.spend(Math.ceil(text.length / 16))) return 0n;
  let size = text.length;
  for (let at = 0; at < text.length - 1; at += 1) {
    if ((text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) size -= 1;
  }
  return BigInt(size);
}
