import type { Denial } from '../../domain/denial.ts';
import type { Caller } from '../../ports/callers.ts';
import type { Reply } from '../../ports/reply.ts';
import type { ApiDeps } from './deps.ts';
import { challengeOf, faultProblem, type Problem, problemOf } from './problem.ts';

/** A request that did not pass, as far as it came. */
export interface Refused {
  readonly thrown: unknown;
  readonly caller: Caller | undefined;
  /** HTTP method and path template; undefined where nothing stands at the path. */
  readonly method: string | undefined;
  readonly address: string;
  readonly requestId: string;
  readonly reply: Reply;
}

/** The end of every request of the API that did not pass: on record, then answered with a problem (RFC 9457). */
export async function refuseRequest(deps: Pick<ApiDeps, 'authority' | 'tally' | 'log'>, refused: Refused): Promise<void> {
  const problem = readProblem(deps, refused.thrown, refused.requestId);
  await journalRefusal(deps, problem, refused);
  sendProblem(refused.reply, problem);
}

function readProblem(deps: Pick<ApiDeps, 'log'>, thrown: unknown, requestId: string): Problem {
  const problem = problemOf(thrown, requestId);
  if (problem !== undefined) return problem;
  deps.log.fault('a request of the API failed inside the gateway', thrown, { requestId });
  return faultProblem(requestId);
}

function sendProblem(reply: Reply, problem: Problem): void {
  if (reply.closed) return;
  if (reply.headSent) {
    reply.cut();
    return;
  }
  const text = JSON.stringify(problem);
  const challenge = challengeOf(problem);
  const waitMs = typeof problem.retryAfterMs === 'number' ? problem.retryAfterMs : 1_000;
  reply.head(problem.status, {
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(text)),
    ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
    ...(problem.status === 429 || problem.status === 503 ? { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1_000))) } : {}),
    ...(problem.status === 405 && Array.isArray(problem.allow) ? { allow: problem.allow.join(', ') } : {}),
  });
  reply.end(text);
}

/** Who was refused what is on record; floods and strangers are counted, so that they cannot fill the disk. */
async function journalRefusal(
  deps: Pick<ApiDeps, 'authority' | 'tally' | 'log'>,
  problem: Problem,
  { caller, method, address, requestId }: Refused,
): Promise<void> {
  if (caller === undefined || problem.status === 429) {
    if (problem.status === 401 || problem.status === 429 || problem.reason === 'OVERLOADED')
      deps.tally.count(problem.reason as Denial['reason'], address);
    return;
  }
  if (problem.status !== 403) return;
  const { key } = caller;
  const facts = { org: key.orgId, agent: key.agentId, environment: key.environment, address, method };
  try {
    await deps.authority.ledger.record({
      ...{ kind: 'admin.refused', requestId, keyId: key.id, ...facts, decision: 'refused', reason: problem.reason, status: problem.status },
    });
  } catch (error) {
    deps.log.fault('a refusal of the API could not be journalled', error, { requestId });
  }
}
