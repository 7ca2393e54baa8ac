import type { AnswerReceiver, UpstreamFailure, UpstreamRequest, Upstreams } from '../../src/ports/upstreams.ts';
import type { UpstreamEnding } from './faults.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One attempt that reached the simulated upstream and was not ended yet. */
export interface Exchange {
  readonly request: UpstreamRequest;
  /** As the gateway named it to the upstream. */
  readonly requestId: string;
  readonly isStream: boolean;
  readonly open: boolean;
  /** Ends it in this way. */
  end(how: UpstreamEnding): void;
  /** An event that belongs to no request, on a stream. */
  notify(): void;
}

type Act = () => void;

/**
 * An upstream that does what it is told to, when it is told to. Time limits are kept as the real adapter keeps them.
 * @param options.arrived called with every attempt, before anything else happens to it
 * @param options.bind  an act that is to happen in the process that made the attempt, or not at all where that is gone
 */
export function createUpstream(options: {
  time: VirtualTime;
  bind: () => (act: Act) => void;
  refuses: () => boolean;
  arrived: (exchange: Exchange, refused: boolean) => void;
}): Upstreams {
  return {
    dispatch(request, receiver) {
      const within = options.bind();
      const refused = options.refuses();
      const state = { open: true, head: false };
      const timer = setTimeout(() => fail({ kind: 'timeout', sent: true, cause: undefined }), request.headTimeoutMs);
      const finish = (act: Act) => {
        if (!state.open) return;
        state.open = false;
        clearTimeout(timer);
        within(act);
      };
      const fail = (failure: UpstreamFailure) => finish(() => receiver.onFailure(failure));
      const exchange: Exchange = {
        request,
        requestId: headerOf(request, 'x-request-id'),
        isStream: request.method === 'GET',
        get open() {
          return state.open;
        },
        end: (how) => {
          if (how === 'resets') return fail({ kind: 'reset', sent: true, cause: undefined });
          if (how === 'refuses') return fail({ kind: 'connect', sent: false, cause: undefined });
          if (how !== 'stays silent') finish(() => answer(receiver, { request, how, headSent: state.head }));
        },
        notify: () => {
          if (!state.open) return;
          within(() => {
            if (!state.head) receiver.onHead(200, { 'content-type': 'text/event-stream' });
            state.head = true;
            clearTimeout(timer);
            receiver.onChunk(Buffer.from(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } })));
          });
        },
      };
      options.arrived(exchange, refused);
      if (refused) setTimeout(() => exchange.end('refuses'), 1);
      return {
        resume: () => undefined,
        abort: () => setTimeout(() => fail({ kind: 'aborted', sent: !refused, cause: undefined }), 1),
      };
    },
  };
}

function answer(
  receiver: AnswerReceiver,
  { request, how, headSent }: { request: UpstreamRequest; how: UpstreamEnding; headSent: boolean },
): void {
  const asked = JSON.parse(request.body?.toString('utf8') ?? '{}') as { id?: string; params?: { arguments?: { mark?: string } } };
  const result = {
    content: [{ type: 'text', text: asked.params?.arguments?.mark ?? '' }],
    ...(how === 'answers a tool error' && { isError: true }),
  };
  const reply = { jsonrpc: '2.0', id: how === 'answers another id' ? 'not-yours' : asked.id };
  const message = how === 'answers an error' ? { ...reply, error: { code: -5, message: 'no' } } : { ...reply, result };
  const events = headSent || how === 'answers as events';
  const text = how === 'answers garbage' ? '<html>' : JSON.stringify(message);
  if (!headSent) {
    const type = events ? 'text/event-stream' : how === 'answers garbage' ? 'text/html' : 'application/json';
    receiver.onHead(how === 'answers status 500' ? 500 : 200, { 'content-type': type });
  }
  receiver.onChunk(Buffer.from(events ? `data: ${text}\n\n` : text));
  receiver.onEnd();
}

function event(message: object): string {
  return `data: ${JSON.stringify(message)}\n\n`;
}

function headerOf({ headers }: UpstreamRequest, name: string): string {
  const at = headers.indexOf(name);
  return at < 0 ? '' : (headers[at + 1] ?? '');
}
