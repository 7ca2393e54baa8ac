import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import { Conflict, NotFound, pathText, type RequestProblem, RequestProblems } from '../../authority/problems.ts';
import { Denial, denialTable } from '../../domain/denial.ts';

/** A refusal of the API that is not one of the data plane's. `reason` is stable; `detail` says what to do. */
export class ApiRefusal extends Error {
  override readonly name = 'ApiRefusal';
  readonly status: number;
  readonly reason: string;
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(status: number, reason: string, detail: string, facts: Readonly<Record<string, unknown>> = {}) {
    super(detail);
    this.status = status;
    this.reason = reason;
    this.facts = facts;
  }
}

/** Problem details (RFC 9457, section 3). `type` is about:blank, so `title` is the status in words; `reason` tells problems apart. */
export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly reason: string;
  readonly requestId: string;
  /** Everything that is wrong with the request, each with the member it concerns (422). */
  readonly problems?: readonly RequestProblem[];
  readonly [fact: string]: unknown;
}

/** What was thrown as a problem, or undefined for a fault, which no caller may read. */
export function problemOf(thrown: unknown, requestId: string): Problem | undefined {
  if (thrown instanceof Denial) {
    const form = denialTable[thrown.reason];
    return compose(form.httpModeStatus ?? form.status, thrown.reason, thrown.message, requestId, thrown.facts);
  }
  if (thrown instanceof ApiRefusal) return compose(thrown.status, thrown.reason, thrown.message, requestId, thrown.facts);
  if (thrown instanceof RequestProblems) {
    const detail = 'The request cannot be carried out as written. Everything that is wrong with it is listed.';
    return compose(422, 'INVALID_REQUEST', detail, requestId, { problems: thrown.problems });
  }
  if (thrown instanceof NotFound) return compose(404, 'NOT_FOUND', thrown.message, requestId);
  if (thrown instanceof Conflict) return compose(409, 'CONFLICT', thrown.message, requestId);
  return undefined;
}

/** What a caller reads of a fault: where to look, and nothing of what happened (I5). */
export function faultProblem(requestId: string): Problem {
  const detail = 'The gateway failed. Whether the request took effect is not known: look before you repeat it, and quote the request id.';
  return compose(500, 'INTERNAL', detail, requestId);
}

/** RFC 6750, section 3: a request without any credential gets no error code. */
export function challengeOf({ status, reason, scope }: Problem): string | undefined {
  if (status !== 401 && status !== 403) return undefined;
  const parts = ['Bearer realm="keygate"'];
  if (status === 401 && reason !== 'TOKEN_MISSING') parts.push('error="invalid_token"');
  if (reason === 'INSUFFICIENT_SCOPE') {
    parts.push('error="insufficient_scope"');
    if (Array.isArray(scope)) parts.push(`scope="${scope.join(' ')}"`);
  }
  return parts.join(', ');
}

/** Problems of a zod parse in the API's own notation; an unknown member is named as one problem each. */
export function schemaProblems(error: z.ZodError, prefix?: string): RequestProblem[] {
  return error.issues.flatMap((issue) => {
    const at = (path: readonly PropertyKey[]): string => pathText(prefix === undefined ? path : [prefix, ...path]);
    if (issue.code !== 'unrecognized_keys') return [{ path: at(issue.path), message: issue.message }];
    return issue.keys.map((key) => ({ path: at([...issue.path, key]), message: 'is not a member of this request' }));
  });
}

function compose(
  status: number,
  reason: string,
  detail: string,
  requestId: string,
  facts: Readonly<Record<string, unknown>> = {},
): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Refused', status, detail, reason, requestId, ...facts };
}
