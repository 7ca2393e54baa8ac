import { type BridgedSession, metaTexts } from '../../../domain/bridged-session.ts';
import { denialTable } from '../../../domain/denial.ts';
import { encodeHeaderValue } from '../../../domain/header-value.ts';
import { memberOf, stringOf } from '../../../domain/members.ts';
import type { Message, MessageId, RequestMessage, ResponseMessage } from '../../../domain/message.ts';
import { nameHeaderMember, statelessVersion } from '../../../domain/method.ts';
import { splice } from '../../../domain/splice.ts';
import { asStateless, unfinishedType } from '../../../domain/stateless-form.ts';
import type { UpstreamRequest } from '../../../ports/upstreams.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { carried } from './carried.ts';
import { afterwards, type Leg } from './leg.ts';
import { postHeaders } from './post-headers.ts';
import { rewriteAnswer, type WholeAnswer } from './rewrite-answer.ts';

/** Error codes of 2026-07-28. */
const headerMismatch = -32020;
const capabilityMissing = -32021;

/** One request of a session client, sent as a server of 2026-07-28 wants it. */
export async function callStateless(
  ports: BridgePorts,
  leg: Leg,
  { request, message, session }: { request: UpstreamRequest; message: RequestMessage; session: BridgedSession },
): Promise<void> {
  const mirrored = message.method === 'tools/call' ? await ports.toolHeaders.headersFor(request, message) : [];
  if (leg.over) return;
  const sent = asStateless(message, metaTexts(session));
  const { session: _, ...rest } = request;
  const key = runningKey(request, message.id);
  const stop = leg.stop;
  ports.running.set(key, stop);
  const over = (): void => {
    if (ports.running.get(key) === stop) ports.running.delete(key);
  };
  const receiver = rewriteAnswer({
    receiver: leg,
    limits: ports.limits(),
    msMax: request.headTimeoutMs,
    abort: leg.stop,
    whole: (answer) => answerWhole(ports, leg, { request, message, answer }),
    event(received) {
      if (received.kind === 'request') {
        ports.log.warn('a request of a stateless server was dropped', { upstream: request.upstream, method: received.method.slice(0, 64) });
        return undefined;
      }
      return received.kind === 'response' ? finished(received) : received.bytes;
    },
  });
  const headers = [
    ...postHeaders,
    'mcp-protocol-version',
    statelessVersion,
    ...mirrorsOf(message),
    ...mirrored,
    ...carried(request.headers),
  ];
  try {
    leg.follow(
      ports.upstreams.dispatch({ ...rest, body: sent.bytes, message: sent, era: 'stateless', headers }, afterwards(receiver, over)),
    );
  } catch (thrown) {
    over();
    throw thrown;
  }
}

/** Which call a cancellation means: ids are a session's own. */
export function runningKey({ keyId, session, upstream }: UpstreamRequest, id: MessageId): string {
  return JSON.stringify([keyId, upstream, session, id]);
}

/** Mcp-Method and Mcp-Name (2026-07-28, transports, standard headers), from the body. */
function mirrorsOf({ method, params }: RequestMessage): string[] {
  const member = nameHeaderMember(method);
  const name = member && params[member];
  return ['mcp-method', method, ...(name === undefined ? [] : ['mcp-name', encodeHeaderValue(name)])];
}

/**
 * Errors of 2026-07-28 come with HTTP statuses that mean something else to a session client (404 is a lost session), so an error that
 * answers the request goes on as such; of any other answer the client is told that there was none.
 */
function answerWhole(
  ports: BridgePorts,
  leg: Leg,
  { request, message, answer }: { request: UpstreamRequest; message: RequestMessage; answer: WholeAnswer },
): void {
  const { status, headers, body } = answer;
  const response = responseTo(answer.message, message.id);
  if (response) {
    if (response.errorCode === headerMismatch) ports.toolHeaders.forget(request);
    leg.answer(response.outcome === 'error' ? 200 : status, {}, finished(response));
    return;
  }
  const type = headers['content-type'] ?? 'application/octet-stream';
  leg.answer(status === 400 || status === 404 ? 502 : status, { 'content-type': type }, body);
}

function responseTo(message: Message | undefined, id: MessageId): ResponseMessage | undefined {
  return message?.kind === 'response' && message.id === id ? message : undefined;
}

/** What the bridge says where a server wants to ask the client something: it has declared for the client that nothing can be asked. */
const cannotAsk =
  'A question of the server cannot be carried to a client of a protocol version with sessions (era bridge). Connect with 2026-07-28.';

/** The answer as it is; or, where it is not the end of the call but a question, an error that says so. */
function finished(response: ResponseMessage): Buffer {
  if (response.errorCode === capabilityMissing) return explained(response);
  const type = response.outcome === 'result' ? unfinishedType(response) : undefined;
  if (type === undefined) return response.bytes;
  const { start, end } = response.idSpan;
  const data = { reason: 'UPSTREAM_FAILED', resultType: type, outcome: 'unknown' };
  const error = { code: denialTable.UPSTREAM_FAILED.code, message: cannotAsk, data };
  return Buffer.from(`{"jsonrpc":"2.0","id":${response.bytes.toString('utf8', start, end)},"error":${JSON.stringify(error)}}`);
}

/** The server says that the client lacks a capability; the client, which may have declared it, is told why. */
function explained(response: ResponseMessage): Buffer {
  const message = memberOf(response, 'error', 'message');
  const text = stringOf(response.bytes, message);
  return message ? splice(response.bytes, [{ span: message.value, text: JSON.stringify(`${text} ${cannotAsk}`) }]) : response.bytes;
}
