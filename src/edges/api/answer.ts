import type { HttpBindings } from '@hono/node-server';
import { actorOf } from '../../authority/confine.ts';
import { type RequestProblem, RequestProblems } from '../../authority/problems.ts';
import { Denial } from '../../domain/denial.ts';
import type { Caller } from '../../ports/callers.ts';
import type { Reply } from '../../ports/reply.ts';
import { authenticate, refuseDead } from '../../stages/authenticate.ts';
import { failClosed } from '../../stages/fail-closed.ts';
import { takeRates } from '../../stages/take-rates.ts';
import { replyOn } from '../outgoing-reply.ts';
import { readBody } from '../read-body.ts';
import type { ApiDeps } from './deps.ts';
import { refuseBadForm } from './form.ts';
import { once } from './idempotency.ts';
import type { Answer, Asked, ListenerName, Operation } from './operation.ts';
import { permitOperation } from './permit.ts';
import { schemaProblems } from './problem.ts';
import { type JsonBody, readJson, refuseBody } from './read-json.ts';
import { refuseRequest } from './refuse-request.ts';

/** How many requests one key may make of the API, whatever its own rate is. */
const burst = { calls: 1_000, perSeconds: 10 } as const;

/** What the router found out about a request. */
export interface Exchange {
  readonly listener: ListenerName;
  /** Undefined where nothing stands at the path; `allow` names the methods where something does. */
  readonly operation: Operation | undefined;
  readonly allow: readonly string[];
  readonly id: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

/**
 * The whole life of one request of the API, as gateway.ts is that of a message: form, caller, rate, path, permission, body, then the act, once.
 * Every refusal ends in the one catch.
 */
export async function answerRequest(deps: ApiDeps, exchange: Exchange, { incoming, outgoing }: HttpBindings): Promise<void> {
  const requestId = deps.newId();
  const policy = deps.policy();
  const always = { 'x-request-id': requestId, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  const reply = replyOn(outgoing, { always, stallMsMax: policy.limits.upstreamTimeoutMs });
  const { headers } = incoming;
  const address = deps.clientAddress(incoming);
  const arrived = { requestId, at: deps.authority.clock.now(), headers, address, policy, reply };
  const path = (incoming.url ?? '').replace(/\?.*$/s, '');
  const place = exchange.listener === 'data' ? deps.load.enter() : undefined;
  let caller: Caller | undefined;
  try {
    if (deps.draining()) throw new Denial('DRAINING');
    if (place?.refusal) throw place.refusal;
    refuseBadForm(incoming, { policy, adminHost: exchange.listener === 'admin' ? deps.adminHost : undefined });
    caller = await asStored(deps, await authenticate(deps, arrived));
    if (!caller.admitsAddress(address)) throw new Denial('ADDRESS_NOT_ALLOWED');
    await takeRates(deps, { caller, reply });
    await refuseFlood(deps, caller);
    const operation = operationOf(exchange);
    await permitOperation(deps, operation, { caller, listener: exchange.listener, id: exchange.id, at: arrived.at });
    const body = await bodyOf(operation, { headers, readBody: (bytesMax) => readBody(incoming, bytesMax, place) }, policy.limits);
    const asked = {
      ...arrived,
      caller,
      by: actorOf(caller),
      listener: exchange.listener,
      id: exchange.id,
      params: exchange.params,
      ...givenOf(operation, exchange, body),
    };
    const attempt = {
      operation,
      path,
      callerId: caller.key.id,
      header: headers['idempotency-key'],
      body: body?.text ?? Buffer.alloc(0),
      now: asked.at,
    };
    const { answer, replayed } = await once(deps, attempt, () => operation.act(deps, asked));
    await send(reply, answer, replayed);
  } catch (thrown) {
    // The path as the document has it: people paste whole keys where ids belong (I5).
    const method = exchange.operation && `${incoming.method} /api/v1${exchange.operation.path}`;
    await refuseRequest(deps, { thrown, caller, method, address, requestId, reply });
  } finally {
    place?.leave();
  }
}

/** The caller from the newest records, whatever this process has heard of them: unlike a call, an act of the API meets no commit that checks its key (I3). */
async function asStored({ callers }: Pick<ApiDeps, 'callers'>, { caller, at }: { caller: Caller; at: number }): Promise<Caller> {
  const stored = await failClosed(callers.again(caller));
  if (!stored) throw new Denial('TOKEN_INVALID');
  refuseDead(stored, at);
  return stored;
}

async function refuseFlood(deps: Pick<ApiDeps, 'throttle'>, { key }: Caller): Promise<void> {
  const { allowed, retryAfterMs } = await failClosed(deps.throttle.take({ key: `api:${key.id}`, ...burst }));
  if (!allowed) throw new Denial('RATE_LIMITED', { facts: { limit: `${burst.calls}/${burst.perSeconds}s`, retryAfterMs } });
}

function operationOf({ operation, allow, listener }: Exchange): Operation {
  if (operation !== undefined) return operation;
  if (allow.length > 0) throw new Denial('METHOD_NOT_ALLOWED', { facts: { allow } });
  throw new Denial('UNKNOWN_ENDPOINT', {
    detail: `This API has no such path on the ${listener} listener; /api/v1/openapi.json lists them.`,
  });
}

async function bodyOf(
  operation: Operation,
  source: Parameters<typeof readJson>[0],
  limits: Parameters<typeof readJson>[1]['limits'],
): Promise<JsonBody | undefined> {
  if (operation.body !== undefined) return await readJson(source, { limits, optional: operation.bodyOptional === true });
  refuseBody(source.headers);
  return undefined;
}

/** Query and body as their schemas read them. @throws RequestProblems with what is wrong with either */
function givenOf(operation: Operation, exchange: Exchange, body: JsonBody | undefined): Pick<Asked<unknown, unknown>, 'query' | 'body'> {
  const problems: RequestProblem[] = [];
  const read = (schema: Operation['query'], value: unknown): unknown => {
    const parsed = schema?.safeParse(value);
    if (parsed?.success === false) problems.push(...schemaProblems(parsed.error));
    return parsed?.data;
  };
  const query = operation.query === undefined ? undefined : read(operation.query, exchange.query);
  const given = operation.bodyAsWritten || body === undefined ? body?.value : read(operation.body, body.value);
  if (problems.length > 0) throw new RequestProblems(problems);
  return { query, body: given };
}

async function send(reply: Reply, answer: Answer, replayed: boolean): Promise<void> {
  if ('stream' in answer) return await answer.stream(reply);
  const text = 'text' in answer ? answer.text : JSON.stringify(answer.body);
  reply.head(answer.status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...(replayed ? { 'idempotency-replayed': 'true' } : {}),
  });
  reply.end(text);
}
