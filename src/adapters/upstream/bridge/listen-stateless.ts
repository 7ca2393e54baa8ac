import { type BridgedSession, metaTexts } from '../../../domain/bridged-session.ts';
import { memberOf, membersAt } from '../../../domain/members.ts';
import type { Message } from '../../../domain/message.ts';
import { statelessVersion } from '../../../domain/method.ts';
import { rescan } from '../../../domain/stateless-form.ts';
import type { AnswerHeaders, UpstreamRequest } from '../../../ports/upstreams.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { carried } from './carried.ts';
import type { Leg } from './leg.ts';
import { postHeaders } from './post-headers.ts';
import { rewriteAnswer } from './rewrite-answer.ts';

const acknowledged = 'notifications/subscriptions/acknowledged';

/**
 * The GET stream of a session client, as `subscriptions/listen` for every list. It opens once the server has said that there is something to
 * hear; where there is not, the client is told that there is no such stream (405), for it would open an ended one again and again.
 */
export function listenStateless(
  ports: BridgePorts,
  leg: Leg,
  { request, session }: { request: UpstreamRequest; session: BridgedSession },
): void {
  const notifications = '{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}';
  const params = `{"notifications":${notifications},"_meta":{${metaTexts(session).join(',')}}}`;
  const body = Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":${params}}`);
  const message = rescan(body, { kind: 'request', id: 1 });
  const { session: _, ...rest } = request;
  let waiting: AnswerHeaders | undefined;
  const nothing = (): void => {
    leg.answer(405, {});
    leg.stop();
  };
  const receiver = rewriteAnswer({
    receiver: {
      onHead(_status, headers) {
        waiting = headers;
      },
      onChunk: leg.onChunk,
      onEnd: () => (waiting ? nothing() : leg.onEnd()),
      fail: leg.fail,
    },
    limits: ports.limits(),
    msMax: request.headTimeoutMs,
    abort: leg.stop,
    // An upstream that cannot be reached is no upstream without a stream.
    whole: ({ status }) => leg.answer(status === 429 || status >= 500 ? status : 405, {}),
    event(received) {
      if (received.kind !== 'notification') return undefined;
      if (waiting && received.method === acknowledged) {
        if (!tellsOfAny(received)) return void nothing();
        leg.onHead(200, waiting);
        waiting = undefined;
      }
      return received.method === acknowledged ? undefined : received.bytes;
    },
  });
  const headers = [...postHeaders, 'mcp-protocol-version', statelessVersion, 'mcp-method', message.method, ...carried(request.headers)];
  const asked = { ...rest, method: 'POST', era: 'stateless', body, message, headers, silenceTimeoutMs: 0, long: true } as const;
  leg.follow(ports.upstreams.dispatch(asked, receiver));
}

function tellsOfAny(acknowledgement: Message): boolean {
  const kinds = memberOf(acknowledgement, 'params', 'notifications');
  return kinds !== undefined && (membersAt(acknowledgement.bytes, kinds.value.start)?.length ?? 0) > 0;
}
