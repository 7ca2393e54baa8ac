import { createHash } from 'node:crypto';
import type { ApiDeps } from './deps.ts';
import type { Answer, Operation } from './operation.ts';
import { ApiRefusal, problemOf } from './problem.ts';

/** One attempt at an operation, as far as it matters for telling repeats apart. */
export interface Attempt {
  readonly operation: Operation;
  /** The path as asked for, ids included. */
  readonly path: string;
  readonly callerId: string;
  readonly header: string | string[] | undefined;
  readonly body: Buffer;
  readonly now: number;
}

/** An answer, and whether it is the remembered one of an earlier attempt. */
export interface Once {
  readonly answer: Answer;
  readonly replayed: boolean;
}

/**
 * Carries a POST out once for each `Idempotency-Key` of a caller (A30; IETF draft-ietf-httpapi-idempotency-key-header): a repeat gets the first
 * answer, without what was shown once. Another body is 422, a repeat while the first runs 409. Refused attempts had no effect, so
 * their key may be used again; after a fault it may not, since the effect is unknown.
 */
export async function once(deps: Pick<ApiDeps, 'replays' | 'log'>, attempt: Attempt, act: () => Promise<Answer>): Promise<Once> {
  const { operation, header, now } = attempt;
  if (header === undefined || operation.verb !== 'post') return { answer: await act(), replayed: false };
  const id = idOf(attempt, readHeader(header));
  const replay = await deps.replays.begin({ id, bodyHash: createHash('sha256').update(attempt.body).digest('hex'), now });
  if (replay.kind === 'mismatch') {
    throw new ApiRefusal(
      422,
      'IDEMPOTENCY_KEY_REUSED',
      'This Idempotency-Key was used with another body. Use a new one for a new request.',
    );
  }
  if (replay.kind === 'running') {
    throw new ApiRefusal(
      409,
      'IDEMPOTENCY_KEY_RUNNING',
      'The first request with this Idempotency-Key has not ended, or failed without saying whether it took effect.',
    );
  }
  if (replay.kind === 'answered') {
    if (operation.answersAnew) return { answer: await act(), replayed: false };
    return { answer: { status: replay.status === 201 ? 201 : 200, body: JSON.parse(replay.body) as object }, replayed: true };
  }
  let answer: Answer;
  try {
    answer = await act();
  } catch (thrown) {
    if (problemOf(thrown, '') !== undefined) await deps.replays.forget(id);
    throw thrown;
  }
  await remember(deps, { id, operation, answer, now });
  return { answer, replayed: false };
}

/** The effect is durable already: where only the memory of it fails, the caller still gets the answer. */
async function remember(
  deps: Pick<ApiDeps, 'replays' | 'log'>,
  options: { id: string; operation: Operation; answer: Answer; now: number },
): Promise<void> {
  const { id, operation, answer, now } = options;
  if (!('body' in answer)) return;
  const gone = Object.fromEntries((operation.shownOnce ?? []).map((member) => [member, null]));
  const body = operation.shownOnce === undefined ? answer.body : { ...answer.body, ...gone, replayed: true };
  try {
    await deps.replays.finish({ id, status: answer.status, body: JSON.stringify(operation.answersAnew ? {} : body), now });
  } catch (error) {
    deps.log.fault('an answer could not be remembered for its Idempotency-Key', error, { operation: operation.name });
  }
}

function readHeader(header: string | string[]): string {
  if (typeof header === 'string' && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new ApiRefusal(422, 'INVALID_REQUEST', 'The Idempotency-Key cannot be used.', {
    problems: [{ path: 'Idempotency-Key', message: 'must be 1 to 255 printable ASCII characters without spaces' }],
  });
}

/** Hashed, so that no caller can name another's entry, and the store keeps nothing of what the header says. */
function idOf({ operation, path, callerId }: Attempt, header: string): string {
  return createHash('sha256')
    .update(JSON.stringify([callerId, operation.verb, path, header]))
    .digest('hex');
}
