import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { PassRequest } from '../../ports/passthrough.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamFailure } from '../../ports/upstreams.ts';

/** One request that is passed through, from the library's events to the receiver's. */
export interface PassExchange extends UpstreamExchange {
  readonly request: PassRequest;
  began(sent: ClientRequest): void;
  answered(answer: IncomingMessage): void;
  failed(cause: unknown): void;
}

/** Headers of a 101 that belong to the handshake (RFC 6455, section 4.2.2); nothing else of an upstream's is shown. */
const handshake = ['upgrade', 'connection', 'sec-websocket-accept', 'sec-websocket-protocol', 'sec-websocket-extensions'];

/** How long one side of a websocket gets for what the other sent before it closed, in milliseconds. */
const lastWritesMs = 5_000;

export function createPassExchange(request: PassRequest, receiver: AnswerReceiver): PassExchange {
  const { headTimeoutMs, silenceTimeoutMs, upgrading } = request;
  let sent: ClientRequest | undefined;
  let answer: IncomingMessage | undefined;
  let upstreamSocket: Socket | undefined;
  let connected = false;
  let over = false;
  let why: 'aborted' | 'timeout' | undefined;
  let timer: NodeJS.Timeout | undefined = setTimeout(() => breakOff('timeout'), headTimeoutMs);

  const close = (): boolean => {
    if (over) return false;
    over = true;
    clearTimeout(timer);
    return true;
  };
  const end = (): void => {
    // What was broken off may end in the same breath, and is not whole for that.
    if (!why && close()) receiver.onEnd();
  };
  const fail = (cause: unknown): void => {
    const kind: UpstreamFailure['kind'] = why ?? (connected ? 'reset' : 'connect');
    if (close()) receiver.onFailure({ kind, sent: connected, cause });
  };
  const breakOff = (because: 'aborted' | 'timeout'): void => {
    if (over || why) return;
    why = because;
    sent?.destroy();
    answer?.destroy();
    upstreamSocket?.destroy();
    if (upgrading && upstreamSocket) upgrading.socket.destroy();
    // Whoever aborts is in the middle of something.
    queueMicrotask(() => fail(undefined));
  };
  const opened = (head: IncomingMessage, socket: Socket): void => {
    if (!upgrading) return;
    clearTimeout(timer);
    upstreamSocket = socket;
    head.headers = Object.fromEntries(Object.entries(head.headers).filter(([name]) => handshake.includes(name)));
    if (why) return void socket.destroy();
    upgrading.taken();
    // Whichever side goes takes the other with it; what was received before is written first.
    const gone = (other: Socket) => () => {
      other.destroySoon();
      setTimeout(() => other.destroy(), lastWritesMs).unref();
      end();
    };
    socket.once('close', gone(upgrading.socket));
    upgrading.socket.once('close', gone(socket));
    receiver.onHead(101, {});
  };

  return {
    request,
    began(made) {
      sent = made;
      if (why) return void made.destroy();
      watchConnection(made, () => {
        connected = true;
      });
      if (!upgrading) return;
      made.prependListener('upgrade', opened);
      // The library, which begins to listen after this, would write the upstream's own answer, headers and all, to the client. No answer comes before.
      queueMicrotask(() => {
        made.removeAllListeners('response');
        made.once('response', (refused: IncomingMessage) => {
          receiver.onHead(refused.statusCode ?? 0, refused.headers);
          refused.resume();
          refused.once('close', end);
        });
      });
    },
    answered(head) {
      answer = head;
      clearTimeout(timer);
      if (why) return void head.destroy();
      receiver.onHead(head.statusCode ?? 0, head.headers);
      const isStream = /^text\/event-stream/i.test(head.headers['content-type'] ?? '');
      if (silenceTimeoutMs > 0 && !isStream) timer = setTimeout(() => breakOff('timeout'), silenceTimeoutMs);
      head.on('data', (chunk: Buffer) => {
        if (over) return;
        timer?.refresh();
        if (!receiver.onChunk(chunk)) head.pause();
      });
      head.once('end', () => (head.complete ? end() : fail(undefined)));
      head.once('close', () => fail(undefined));
    },
    failed: fail,
    resume: () => void answer?.resume(),
    abort: () => breakOff('aborted'),
  };
}

/** Until the connection stands, nothing was sent. */
function watchConnection(made: ClientRequest, connected: () => void): void {
  const look = (socket: Socket): void => {
    if (!socket.connecting) connected();
    else socket.once('connect', connected);
  };
  if (made.socket) look(made.socket);
  else made.once('socket', look);
}
