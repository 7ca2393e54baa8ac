/**
 * The tree of a parsed condition, in the shape of CEL's own (cel.expr.Expr in the language definition, cel.dev), as far as it is looked at here.
 */
export interface Expression {
  readonly exprKind:
    | {
        readonly case: 'constExpr';
        readonly value: { readonly constantKind: { readonly case: string | undefined; readonly value?: unknown } };
      }
    | { readonly case: 'identExpr'; readonly value: { readonly name: string } }
    | { readonly case: 'selectExpr'; readonly value: Select }
    | { readonly case: 'callExpr'; readonly value: Call }
    | { readonly case: 'listExpr'; readonly value: { readonly elements: readonly Expression[] } }
    | { readonly case: 'structExpr'; readonly value: { readonly messageName: string; readonly entries: readonly Entry[] } }
    | { readonly case: 'comprehensionExpr'; readonly value: Comprehension }
    | { readonly case: undefined; readonly value?: undefined };
}

type Part = Expression | undefined;
interface Select {
  readonly operand?: Part;
  readonly field: string;
}
interface Call {
  readonly function: string;
  readonly target?: Part;
  readonly args: readonly Expression[];
}
interface Entry {
  readonly keyKind:
    | { readonly case: 'mapKey'; readonly value: Expression }
    | { readonly case: 'fieldKey' | undefined; readonly value?: unknown };
  readonly value?: Part;
}
interface Comprehension extends Readonly<Record<'iterVar' | 'accuVar', string>> {
  readonly iterRange?: Part;
  readonly accuInit?: Part;
  readonly loopCondition?: Part;
  readonly loopStep?: Part;
  readonly result?: Part;
}

/** What the evaluator offers. */
export interface ConditionLanguage {
  /** The ways in which a function may be called; empty where there is none of this name. */
  formsOf(name: string): readonly { readonly isMethod: boolean; readonly arguments: number }[];
  /** Why a text is no pattern of matches(); undefined when it is one. */
  patternProblem(pattern: string): string | undefined;
}

const nodesMax = 200;
const variables: ReadonlySet<string> = new Set(['args', 'tool', 'key', 'request']);
/** The variables whose members are known. A Map, since names come from the condition: `constructor` is no variable. */
const membersOf: ReadonlyMap<string, readonly string[]> = new Map([
  ['key', ['id', 'name', 'org', 'agent', 'environment']],
  ['request', ['time', 'address', 'environment']],
]);
/** The types of CEL that are names of values too, as in `type(args.x) == string`. */
const typeNames: ReadonlySet<string> = new Set(['bool', 'bytes', 'double', 'int', 'list', 'map', 'null_type', 'string', 'type', 'uint']);
/** Operators that evaluators know by themselves, and so are not among their functions. */
const operators: ReadonlySet<string> = new Set(['_&&_', '_||_', '_?_:_', '_[_]', '@not_strictly_false']);

/**
 * Checks what can be known of a condition before it runs: everything it names is declared, and its size is bounded.
 * `problem` is undefined when all is well; `named` holds every name that stands anywhere in it.
 */
export function checkCondition(
  expression: Expression,
  language: ConditionLanguage,
): { readonly problem: string | undefined; readonly named: ReadonlySet<string> } {
  const walk: Walk = { language, nodes: 0, comprehensions: 0, named: new Set() };
  const problem = problemIn(expression, new Set(), walk) ?? limitProblem(walk) ?? outcomeProblem(expression);
  return { problem, named: walk.named };
}

interface Walk {
  readonly language: ConditionLanguage;
  nodes: number;
  comprehensions: number;
  readonly named: Set<string>;
}

function problemIn(expression: Part, bound: ReadonlySet<string>, walk: Walk): string | undefined {
  if (expression === undefined) return undefined;
  walk.nodes += 1;
  // Beyond the limit the rest need not be looked at: the whole is refused.
  if (walk.nodes > nodesMax) return undefined;
  const inAll = (parts: readonly Part[]): string | undefined => {
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
      return callProblem(kind.value, walk.language) ?? inAll([kind.value.target, ...kind.value.args]);
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
  return `"${name}" is not declared; there are args, tool, key and request`;
}

/** The members of `key` and `request` are known, so a mistyped one is found here and not by every call being refused. */
function memberProblem(select: Select, bound: ReadonlySet<string>): string | undefined {
  const kind = select.operand?.exprKind;
  if (kind?.case !== 'identExpr' || bound.has(kind.value.name)) return undefined;
  const { name } = kind.value;
  const members = membersOf.get(name);
  if (!members || members.includes(select.field)) return undefined;
  return `${name} has no "${select.field}"; it has ${members.join(', ')}`;
}

function callProblem(call: Call, language: ConditionLanguage): string | undefined {
  if (operators.has(call.function)) return undefined;
  const forms = language.formsOf(call.function);
  if (forms.length === 0) return `there is no function "${call.function}"`;
  const isMethod = call.target !== undefined;
  if (!forms.some((form) => form.isMethod === isMethod && form.arguments === call.args.length)) {
    return `"${call.function}" is not called this way`;
  }
  return call.function === 'matches' ? patternProblem(call.args[0], language) : undefined;
}

/** A pattern is written out, never taken from the call: then it is known to be valid, and no client chooses what is searched for. */
function patternProblem(argument: Part, language: ConditionLanguage): string | undefined {
  const constant = argument?.exprKind.case === 'constExpr' ? argument.exprKind.value.constantKind.value : undefined;
  if (typeof constant !== 'string') return 'matches() needs its pattern written out';
  const problem = language.patternProblem(constant);
  return problem === undefined ? undefined : `is no valid pattern of matches(): ${problem}`;
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
