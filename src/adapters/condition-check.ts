import { type CelEnv, parse } from '@bufbuild/cel';

export type Parsed = ReturnType<typeof parse>;
type Expression = Parsed['expr'];

const sourceCharactersMax = 2_000;
const nodesMax = 200;
const variables: ReadonlySet<string> = new Set(['args', 'tool', 'key']);
const keyMembers: ReadonlySet<string> = new Set(['id', 'name', 'org', 'agent', 'environment']);
/** The types of CEL that are names of values too, as in `type(args.x) == string`. */
const typeNames: ReadonlySet<string> = new Set(['bool', 'bytes', 'double', 'int', 'list', 'map', 'null_type', 'string', 'type', 'uint']);
/** Operators that the evaluator knows itself, and so are not among its functions. */
const operators: ReadonlySet<string> = new Set(['_&&_', '_||_', '_?_:_', '_[_]', '@not_strictly_false']);

/**
 * Parses a condition and checks what can be known before it runs: everything it names is declared, and its size is bounded. The library's own
 * checker knows constants and names only, so this one walks the tree.
 */
export function checkCondition(source: string, env: CelEnv): { parsed: Parsed; named: ReadonlySet<string> } | { problem: string } {
  if (source.trim() === '') return { problem: 'must not be empty' };
  if (source.length > sourceCharactersMax) return { problem: `must be at most ${sourceCharactersMax} characters` };
  let parsed: Parsed;
  try {
    parsed = parse(source);
  } catch (error) {
    return { problem: `is not valid CEL: ${firstLine(error)}` };
  }
  const walk: Walk = { env, nodes: 0, comprehensions: 0, named: new Set() };
  const problem = problemIn(parsed.expr, new Set(), walk) ?? limitProblem(walk) ?? outcomeProblem(parsed.expr);
  return problem === undefined ? { parsed, named: walk.named } : { problem };
}

interface Walk {
  readonly env: CelEnv;
  nodes: number;
  comprehensions: number;
  /** Every name that stands anywhere in the condition. */
  readonly named: Set<string>;
}

function problemIn(expression: Expression | undefined, bound: ReadonlySet<string>, walk: Walk): string | undefined {
  if (expression === undefined) return undefined;
  walk.nodes += 1;
  // Beyond the limit the rest need not be looked at: the whole is refused.
  if (walk.nodes > nodesMax) return undefined;
  const inAll = (parts: readonly (Expression | undefined)[]): string | undefined => {
    for (const part of parts) {
      const problem = problemIn(part, bound, walk);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  const { exprKind: kind } = expression;
  switch (kind.case) {
    case 'constExpr':
      return undefined;
    case 'identExpr':
      walk.named.add(kind.value.name);
      return nameProblem(kind.value.name, bound);
    case 'selectExpr':
      return memberProblem(kind.value, bound) ?? inAll([kind.value.operand]);
    case 'callExpr':
      return callProblem(kind.value, walk.env) ?? inAll([kind.value.target, ...kind.value.args]);
    case 'listExpr':
      return inAll(kind.value.elements);
    case 'structExpr':
      if (kind.value.messageName !== '') return `"${kind.value.messageName}" is no known type`;
      return inAll(kind.value.entries.flatMap(({ keyKind, value }) => [keyKind.case === 'mapKey' ? keyKind.value : undefined, value]));
    case 'comprehensionExpr': {
      const { iterVar, accuVar, iterRange, accuInit, loopCondition, loopStep, result } = kind.value;
      walk.comprehensions += 1;
      const inside = new Set([...bound, iterVar, accuVar]);
      const body = [loopCondition, loopStep, result];
      return inAll([iterRange, accuInit]) ?? body.map((part) => problemIn(part, inside, walk)).find((problem) => problem !== undefined);
    }
    default:
      return 'is not valid CEL';
  }
}

function nameProblem(name: string, bound: ReadonlySet<string>): string | undefined {
  if (bound.has(name) || variables.has(name) || typeNames.has(name)) return undefined;
  return `"${name}" is not declared; there are args, tool and key`;
}

/** The members of `key` are known, so a mistyped one is found here and not by every call being refused. */
function memberProblem(select: { operand?: Expression | undefined; field: string }, bound: ReadonlySet<string>): string | undefined {
  const kind = select.operand?.exprKind;
  if (kind?.case !== 'identExpr' || kind.value.name !== 'key' || bound.has('key') || keyMembers.has(select.field)) return undefined;
  return `key has no "${select.field}"; it has ${[...keyMembers].join(', ')}`;
}

function callProblem(
  call: { function: string; target?: Expression | undefined; args: readonly Expression[] },
  env: CelEnv,
): string | undefined {
  if (operators.has(call.function)) return undefined;
  const forms = [...(env.funcs.find(call.function) ?? [])];
  if (forms.length === 0) return `there is no function "${call.function}"`;
  const isMethod = call.target !== undefined;
  if (!forms.some((form) => (form.target !== undefined) === isMethod && form.arguments.length === call.args.length)) {
    return `"${call.function}" is not called this way`;
  }
  return call.function === 'matches' ? patternProblem(call.args[0], env) : undefined;
}

/** A pattern is written out, never taken from the call: then it is known to be valid, and no client chooses what is searched for. */
function patternProblem(argument: Expression | undefined, env: CelEnv): string | undefined {
  const constant = argument?.exprKind.case === 'constExpr' ? argument.exprKind.value.constantKind : undefined;
  if (constant?.case !== 'stringValue') return 'matches() needs its pattern written out';
  const outcome = env.funcs.find('matches')?.call(0, '', [constant.value]);
  return typeof outcome === 'boolean' ? undefined : `is no valid pattern of matches(): ${firstLine(outcome)}`;
}

function limitProblem(walk: Walk): string | undefined {
  if (walk.nodes > nodesMax) return `must be at most ${nodesMax} operations and values`;
  return walk.comprehensions > 1 ? 'must use at most one of all, exists, exists_one, filter and map' : undefined;
}

function outcomeProblem({ exprKind: kind }: Expression): string | undefined {
  const isOther =
    kind.case === 'listExpr' || kind.case === 'structExpr' || (kind.case === 'constExpr' && kind.value.constantKind.case !== 'boolValue');
  return isOther ? 'must be true or false, not another value' : undefined;
}

function firstLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0]?.slice(0, 200) ?? '';
}
