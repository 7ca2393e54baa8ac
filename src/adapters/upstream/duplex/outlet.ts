import type { AnswerReceiver, UpstreamExchange, UpstreamFailure } from '../../../ports/upstreams.ts';

/** What may wait for a client that reads slowly, in bytes. */
const waitingBytesMax = 16 * 1024 * 1024;

/** The answer to one request of the stages, in the terms of Streamable HTTP: one JSON body, or an event stream, whichever turns out to be needed. */
export interface Outlet extends UpstreamExchange {
  readonly ended: boolean;
  /** True once an event stream was begun. */
  readonly streaming: boolean;
  /** Begins an event stream before there is an event. */
  open(): void;
  /** One message as an event. False where it cannot go out any more. */
  event(bytes: Buffer): boolean;
  /** The last message: as JSON where nothing went before it, else as an event. */
  answer(bytes: Buffer): void;
  /** A status without a body. */
  status(status: number): void;
  end(): void;
  fail(failure: UpstreamFailure): void;
}

interface OutletOptions {
  /** Stand in the head of whatever is answered. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Called once when the stages are no longer interested. */
  readonly onAbort?: () => void;
  /** Whether anything may have reached the upstream by now. */
  readonly sent?: () => boolean;
}

export function createOutlet(receiver: AnswerReceiver, { headers = {}, onAbort, sent = () => false }: OutletOptions = {}): Outlet {
  let ended = false;
  let streaming = false;
  let paused = false;
  let ending = false;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;

  const finish = (last: () => void): void => {
    if (ended) return;
    ended = true;
    waiting = [];
    last();
  };
  const write = (chunk: Buffer): void => {
    if (!paused) {
      paused = !receiver.onChunk(chunk);
      return;
    }
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes > waitingBytesMax) outlet.fail({ kind: 'too-large', sent: true, cause: new Error('the client reads too slowly') });
  };

  const outlet: Outlet = {
    get ended() {
      return ended || ending;
    },
    get streaming() {
      return streaming;
    },
    open() {
      if (ended || streaming) return;
      streaming = true;
      receiver.onHead(200, { 'content-type': 'text/event-stream', ...headers });
    },
    event(bytes) {
      if (ended || ending) return false;
      outlet.open();
      write(Buffer.concat([dataField, bytes, eventEnd]));
      return !ended;
    },
    answer(bytes) {
      if (ended || ending) return;
      if (streaming) {
        outlet.event(bytes);
        return outlet.end();
      }
      receiver.onHead(200, { 'content-type': 'application/json', 'content-length': String(bytes.length), ...headers });
      receiver.onChunk(bytes);
      finish(() => receiver.onEnd());
    },
    status(status) {
      if (ended || ending) return;
      if (streaming) return outlet.fail({ kind: 'reset', sent: true, cause: new Error(`the upstream answered ${status}`) });
      receiver.onHead(status, { 'content-length': '0' });
      finish(() => receiver.onEnd());
    },
    end() {
      if (ended || ending) return;
      if (paused && waiting.length > 0) ending = true;
      else finish(() => receiver.onEnd());
    },
    fail: (failure) => finish(() => receiver.onFailure(failure)),
    resume() {
      paused = false;
      while (!paused && !ended) {
        const next = waiting.shift();
        if (!next) break;
        waitingBytes -= next.length;
        paused = !receiver.onChunk(next);
      }
      if (ending && waiting.length === 0) finish(() => receiver.onEnd());
    },
    abort() {
      if (ended) return;
      finish(() => receiver.onFailure({ kind: 'aborted', sent: sent(), cause: undefined }));
      onAbort?.();
    },
  };
  return outlet;
}

const dataField = Buffer.from('data: ');
const eventEnd = Buffer.from('\n\n');
