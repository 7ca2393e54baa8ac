import { Denial } from '../../../domain/denial.ts';
import type { MessageId, RequestMessage, ResponseMessage } from '../../../domain/message.ts';
import type { UpstreamFailure, UpstreamRequest } from '../../../ports/upstreams.ts';
import type { Link, SendTrouble } from './link.ts';
import type { Outlet } from './outlet.ts';
import { ownMessage, type Renamed, renameRequest, restoreAnswer } from './remap.ts';
import type { Session } from './session.ts';

/** Requests that one link carries at a time. */
const runningMax = 1_000;

/** A client's request that the other side of the link has not answered yet. */
export interface Call {
  readonly session: Session;
  readonly message: RequestMessage;
  readonly renamed: Renamed;
  readonly outlet: Outlet;
  /** Something came that belongs to it: it is not silent. */
  heard(): void;
}

interface CallOptions {
  readonly session: Session;
  readonly message: RequestMessage;
  readonly request: UpstreamRequest;
  readonly outlet: Outlet;
  /** Longest wait for the first word, in milliseconds; the request's own where it is shorter. */
  readonly firstMsMax?: number;
  /** Called with the answer before the client has it, or with nothing where the other side failed to give one; not where the client left. */
  readonly onAnswer?: (message: ResponseMessage | undefined) => void;
}

/** The requests of one link, by the ids that are unique on it. */
export interface Calls {
  readonly size: number;
  /** @throws Denial OVERLOADED */
  start(options: CallOptions): { readonly leave: () => void };
  get(linkId: MessageId): Call | undefined;
  /** The one that runs, where exactly one does. */
  sole(): Call | undefined;
  /** The id on the link of a session's own request, where exactly one has that id. */
  linkIdOf(session: Session, id: MessageId): number | undefined;
  /** Gives up waiting for the answer to a request that was cancelled: there need be none. */
  cancelled(linkId: number): void;
  answered(message: ResponseMessage): void;
  /** What came in answer is no message. */
  broken(id: MessageId | null): void;
  /** Asks something of the gateway's own. Undefined where no answer came in time. */
  ask(method: string, params: object, msMax: number): Promise<ResponseMessage | undefined>;
  failAll(failure: UpstreamFailure): void;
}

type Running = Call & {
  end(act: (outlet: Outlet) => void, message?: ResponseMessage): void;
  /** Ends it because its client left. */
  drop(): void;
};

/** @param options.onEmpty called whenever the last of them has ended */
export function createCalls(options: { link: () => Link; headers: readonly string[]; onEmpty: () => void }): Calls {
  const running = new Map<number, Running>();
  const own = new Map<number, (message: ResponseMessage | undefined) => void>();
  let last = 0;
  const nextId = (): number => {
    last += 1;
    return last;
  };
  const tellCancelled = (linkId: number): void => {
    const params = { requestId: linkId, reason: 'the gateway no longer waits for it' };
    options.link().send(ownMessage({ method: 'notifications/cancelled', params }), options.headers, () => undefined);
  };

  const start = ({ session, message, request, outlet, firstMsMax, onAnswer }: CallOptions): { readonly leave: () => void } => {
    if (running.size >= runningMax) throw new Denial('OVERLOADED', { facts: { outcome: 'not-sent' } });
    const linkId = nextId();
    const renamed = renameRequest(message, linkId);
    const rested = session.busy();
    const late = (): void => {
      if (message.method !== 'initialize') tellCancelled(linkId);
      call.end((answer) => answer.fail({ kind: 'timeout', sent: true, cause: undefined }));
    };
    const over = (): boolean => {
      clearTimeout(timer);
      return running.delete(linkId);
    };
    const rest = (): void => {
      rested();
      if (running.size === 0) options.onEmpty();
    };
    let timer = setTimeout(late, Math.min(request.headTimeoutMs, firstMsMax ?? request.headTimeoutMs));
    const call: Running = {
      session,
      message,
      renamed,
      outlet,
      heard() {
        clearTimeout(timer);
        if (request.silenceTimeoutMs > 0 && running.has(linkId)) timer = setTimeout(late, request.silenceTimeoutMs);
      },
      end(act, answer) {
        if (!over()) return;
        onAnswer?.(answer);
        act(outlet);
        rest();
      },
      drop() {
        if (over()) rest();
      },
    };
    running.set(linkId, call);
    options.link().send(renamed.bytes, request.headers, (trouble) => trouble && call.end((answer) => refuse(answer, trouble)));
    return {
      leave() {
        if (!running.has(linkId)) return;
        // Closing the stream is cancellation in 2026-07-28; in the session era the other side goes on, and what comes of it is dropped.
        if (request.era !== 'stateless' && message.method !== 'initialize') return;
        if (message.method !== 'initialize') tellCancelled(linkId);
        call.drop();
      },
    };
  };

  return {
    get size() {
      return running.size;
    },
    start,
    get: (linkId) => (typeof linkId === 'number' ? running.get(linkId) : undefined),
    sole() {
      const [only] = running.values();
      return running.size === 1 ? only : undefined;
    },
    linkIdOf(session, id) {
      const meant = [...running].filter(([, call]) => call.session === session && call.message.id === id);
      return meant.length === 1 ? meant[0]?.[0] : undefined;
    },
    cancelled: (linkId) => running.get(linkId)?.end((outlet) => outlet.fail({ kind: 'reset', sent: true, cause: cancelledError() })),
    answered(message) {
      if (typeof message.id !== 'number') return;
      const call = running.get(message.id);
      if (call) call.end((outlet) => outlet.answer(restoreAnswer(message, call.renamed.id)), message);
      own.get(message.id)?.(message);
    },
    broken(id) {
      if (typeof id !== 'number') return;
      running.get(id)?.end((outlet) => outlet.fail({ kind: 'reset', sent: true, cause: new Error('the answer was no message') }));
    },
    ask(method, params, msMax) {
      const id = nextId();
      const { promise, resolve } = Promise.withResolvers<ResponseMessage | undefined>();
      const timer = setTimeout(() => resolve(undefined), msMax);
      own.set(id, resolve);
      options.link().send(ownMessage({ id, method, params }), options.headers, (trouble) => trouble && resolve(undefined));
      return promise.finally(() => {
        clearTimeout(timer);
        own.delete(id);
      });
    },
    failAll(failure) {
      for (const call of [...running.values()]) call.end((outlet) => outlet.fail(failure));
      for (const resolve of [...own.values()]) resolve(undefined);
    },
  };
}

/** What became of a message that was not taken, as the answer to whoever sent it. */
export function refuse(outlet: Outlet, trouble: SendTrouble): void {
  if ('status' in trouble) outlet.status(trouble.status);
  else outlet.fail(trouble);
}

function cancelledError(): Error {
  return new Error('the request was cancelled by its sender');
}
