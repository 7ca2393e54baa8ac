import { Denial } from '../../../domain/denial.ts';
import { writeEvent } from '../../../domain/events.ts';
import { hasCapability } from '../../../domain/introduction.ts';
import { memberOf, textOf } from '../../../domain/members.ts';
import type { Message, RequestMessage } from '../../../domain/message.ts';
import { stamped } from '../../../domain/session-form.ts';
import { statelessMeta } from '../../../domain/stateless-form.ts';
import type { UpstreamRequest } from '../../../ports/upstreams.ts';
import { ask } from '../ask.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { answerServer } from './call-in-session.ts';
import { carried } from './carried.ts';
import { afterwards, type Leg } from './leg.ts';
import { endSession, type OpenSession, openSession, sessionHeaders } from './open-session.ts';
import { placed } from './questions.ts';
import { rewriteAnswer } from './rewrite-answer.ts';

/** What a subscription may ask for (2026-07-28, subscriptions), and what it is called in the session era. */
const kinds = [
  { member: 'toolsListChanged', capability: 'tools', method: 'notifications/tools/list_changed' },
  { member: 'promptsListChanged', capability: 'prompts', method: 'notifications/prompts/list_changed' },
  { member: 'resourcesListChanged', capability: 'resources', method: 'notifications/resources/list_changed' },
] as const;

/** One listener's resources; each is a request of its own upstream. */
const urisMax = 100;

interface Honoured {
  readonly methods: ReadonlySet<string>;
  readonly uris: ReadonlySet<string>;
}

/**
 * `subscriptions/listen` in front of a server of sessions: a session of its own, `resources/subscribe` for each resource asked for, and the
 * GET stream, whose changes go on under the subscription's id. The session ends with the client's stream.
 */
export async function listenInSession(ports: BridgePorts, leg: Leg, request: UpstreamRequest, message: RequestMessage): Promise<void> {
  const session = await openSession(ports.upstreams, { behalf: request, logLevel: undefined, timeoutMs: request.headTimeoutMs });
  let open = true;
  const end = (): void => {
    if (open) void endSession(ports.upstreams, request, session);
    open = false;
  };
  leg.onAbort(end);
  try {
    if (leg.over) return end();
    const honoured = await subscribe(ports, { request, message, session });
    if (leg.over) return end();
    await stream(ports, leg, { request, message, session, honoured });
  } finally {
    end();
  }
}

/** Asks for what the server has declared that it tells of; the acknowledgement says which that is. */
async function subscribe(
  ports: BridgePorts,
  { request, message, session }: { request: UpstreamRequest; message: RequestMessage; session: OpenSession },
): Promise<Honoured> {
  const asked = wanted(message);
  const { introduced } = session;
  const methods = kinds.filter(({ member, capability }) => asked[member] === true && hasCapability(introduced, capability, 'listChanged'));
  const uris = new Set<string>();
  const named = hasCapability(introduced, 'resources', 'subscribe') ? urisOf(asked.resourceSubscriptions) : [];
  for (const uri of named) {
    const subscribed = await ask(ports.upstreams, {
      ...{ ...placed(request), method: 'POST', timeoutMs: request.headTimeoutMs },
      message: { jsonrpc: '2.0', id: session.nextId(), method: 'resources/subscribe', params: { uri } },
      headers: [...sessionHeaders(session), ...carried(request.headers)],
    });
    if (subscribed.answer?.outcome === 'result') uris.add(uri);
  }
  return { methods: new Set(methods.map(({ method }) => method)), uris };
}

function wanted(message: RequestMessage): Record<string, unknown> {
  const member = memberOf(message, 'params', 'notifications');
  const value: unknown = member ? JSON.parse(textOf(message.bytes, member)) : undefined;
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw new Denial('INVALID_MESSAGE', { detail: 'In subscriptions/listen, params.notifications must be an object.', facts: notSent });
}

const notSent = { outcome: 'not-sent' } as const;

function urisOf(value: unknown): string[] {
  const uris = Array.isArray(value) ? value.filter((uri): uri is string => typeof uri === 'string') : [];
  if (uris.length <= urisMax) return uris;
  throw new Denial('INVALID_MESSAGE', { detail: `A subscription through the bridge names at most ${urisMax} resources.`, facts: notSent });
}

function stream(
  ports: BridgePorts,
  leg: Leg,
  listening: { request: UpstreamRequest; message: RequestMessage; session: OpenSession; honoured: Honoured },
): Promise<void> {
  const { request, message, session, honoured } = listening;
  const { promise, resolve } = Promise.withResolvers<void>();
  const id = message.bytes.toString('utf8', message.idSpan.start, message.idSpan.end);
  const { body: _, message: __, ...rest } = request;
  const receiver = rewriteAnswer({
    receiver: {
      onHead(status, headers) {
        leg.onHead(status, headers);
        leg.onChunk(Buffer.from(writeEvent({ text: acknowledgement(id, honoured) })));
      },
      onChunk: leg.onChunk,
      onEnd: leg.onEnd,
      fail: leg.fail,
    },
    limits: ports.limits(),
    msMax: request.headTimeoutMs,
    abort: leg.stop,
    whole({ status }) {
      const detail = 'The server has no stream of changes, so there is nothing to listen to.';
      if (status === 405) leg.refuse(new Denial('UNKNOWN_METHOD', { detail, facts: { method: message.method } }));
      else leg.refuse(new Denial('UPSTREAM_FAILED', { facts: { upstreamStatus: status } }));
    },
    event: (received) => changeOf(ports, received, { id, listening }),
  });
  leg.follow(
    ports.upstreams.dispatch(
      {
        ...rest,
        ...{ method: 'GET', era: 'session', silenceTimeoutMs: 0, long: true, ...(session.id === undefined ? {} : { session: session.id }) },
        headers: ['accept', 'text/event-stream', 'accept-encoding', 'identity', ...sessionHeaders(session), ...carried(request.headers)],
      },
      afterwards(receiver, resolve),
    ),
  );
  return promise;
}

function changeOf(
  ports: BridgePorts,
  received: Message,
  { id, listening }: { id: string; listening: { request: UpstreamRequest; session: OpenSession; honoured: Honoured } },
): Buffer | undefined {
  const { request, session, honoured } = listening;
  if (received.kind === 'request') answerServer(ports, request, { session, asked: received });
  if (received.kind !== 'notification') return undefined;
  const { method, params } = received;
  const asked = method === 'notifications/resources/updated' ? honoured.uris.has(params.uri ?? '') : honoured.methods.has(method);
  return asked ? stamped(received, id) : undefined;
}

/** The first message of the stream: what of the request is honoured (2026-07-28, subscriptions). */
function acknowledgement(id: string, { methods, uris }: Honoured): string {
  const members = kinds.filter(({ method }) => methods.has(method)).map(({ member }) => `"${member}":true`);
  if (uris.size > 0) members.push(`"resourceSubscriptions":${JSON.stringify([...uris])}`);
  const meta = `"_meta":{${JSON.stringify(statelessMeta.subscription)}:${id}}`;
  return `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{${members.join(',')}},${meta}}}`;
}
