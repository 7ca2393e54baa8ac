import type { z } from 'zod';

/** One thing wrong with a request. `path` names the member as the API writes it, such as `budgets[0].amount`; empty for the whole. */
export interface RequestProblem {
  readonly path: string;
  readonly message: string;
}

/** A management request that cannot be carried out as written, with everything that is wrong with it (HTTP 422). */
export class RequestProblems extends Error {
  override readonly name = 'RequestProblems';
  readonly problems: readonly RequestProblem[];

  constructor(problems: readonly RequestProblem[]) {
    super(problems.map((problem) => (problem.path === '' ? problem.message : `${problem.path}: ${problem.message}`)).join('; '));
    this.problems = problems;
  }
}

/** The thing that a request names does not exist (HTTP 404). */
export class NotFound extends Error {
  override readonly name = 'NotFound';
}

/** The request contradicts what is already recorded (HTTP 409). */
export class Conflict extends Error {
  override readonly name = 'Conflict';
}

/** A path of zod's in the API's own notation. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at === 0 ? '' : '.'}${String(part)}`)).join('');
}

/** The request once its schema has read it. @throws RequestProblems with everything that is wrong, members that nobody knows one by one */
export function parseRequest<Schema extends z.ZodType>(schema: Schema, request: unknown): z.output<Schema> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  throw new RequestProblems(parsed.error.issues.flatMap(problemsOfIssue));
}

function problemsOfIssue(issue: z.core.$ZodIssue): RequestProblem[] {
  if (issue.code !== 'unrecognized_keys') return [{ path: pathText(issue.path), message: issue.message }];
  return issue.keys.map((key) => ({ path: pathText([...issue.path, key]), message: 'is not a member of this request' }));
}
