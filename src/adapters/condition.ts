import { type CelValue, celEnv, plan } from '@bufbuild/cel';
import type { Condition, ConditionVariables } from '../domain/policy.ts';
import { checkCondition } from './condition-check.ts';
import { createMeter, meteredFunctions, toCelValue } from './condition-values.ts';

/** Reads conditions written in CEL (cel.dev, the language definition of cel-spec). */
export interface Conditions {
  /** @throws Error with the problem, where there is one */
  compile(source: string): Condition;
  /** Why a text is no condition; undefined when it is one. */
  problem(source: string): string | undefined;
}

/**
 * Conditions may name `args` (the call's arguments), `tool` and `key` (id, name, org, agent, environment). They are parsed once. At most 200
 * nodes, one macro over a list (all, exists, exists_one, filter, map), and patterns of matches() written out (RE2, so linear in the text).
 * JSON numbers are doubles: they compare with whole numbers (`args.quantity <= 100`), but arithmetic needs `100.0`. A member that is missing,
 * any other error, too much work on the arguments, and an outcome that is not true all mean false (I6). A member that is null is there.
 */
export function createConditions(): Conditions {
  const meter = createMeter();
  const env = celEnv({ funcs: meteredFunctions(meter) });
  const check = (source: string) => {
    meter.reset();
    return checkCondition(source, env);
  };
  return {
    problem(source) {
      const checked = check(source);
      return 'problem' in checked ? checked.problem : undefined;
    },
    compile(source) {
      const checked = check(source);
      if ('problem' in checked) throw new Error(`the condition ${checked.problem}: ${source}`);
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
  function bindings({ args, tool, key }: ConditionVariables, named: ReadonlySet<string>): Record<string, CelValue> {
    // Without a prototype, since the library looks names up in it as in any object.
    const bound: Record<string, CelValue> = Object.create(null);
    bound.tool = tool;
    if (named.has('args')) bound.args = toCelValue(args, meter);
    if (named.has('key')) {
      const { id, name, org, agent, environment } = key;
      bound.key = toCelValue({ id, name, org, agent, environment }, meter);
    }
    return bound;
  }
}
