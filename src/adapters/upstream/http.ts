import type { OnReadOpts, Socket } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import { Denial } from '../../domain/denial.ts';
import type { ReadMemory } from '../../domain/read-memory.ts';
import { Turn } from '../../domain/turn.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamFailure, UpstreamRequest, Upstreams } from '../../ports/upstreams.ts';

/** How many connections one upstream may have. Calls and long streams do not share them. */
export interface UpstreamPoolLimits {
  readonly callConnectionsMax: number;
  readonly streamConnectionsMax: number;
  readonly connectTimeoutMs: number;
}

export interface HttpUpstreams extends Upstreams {
  /** Takes the upstreams of a new configuration; those that left are closed once their exchanges have ended. */
  configure(targets: ReadonlyMap<string, string>): void;
  close(): Promise<void>;
}

interface Target {
  readonly url: string;
  readonly path: string;
  readonly connections: number;
  readonly calls: Pool;
  readonly streams: Pool;
}

/**
 * Streamable HTTP upstreams over undici's dispatcher: one attempt, no redirect, no retry, no decoding.
 * @param targets upstream name to URL
 */
export function createHttpUpstreams(options: {
  targets: ReadonlyMap<string, string>;
  limits: UpstreamPoolLimits;
  /** Where answers are read. */
  memory: Pick<ReadMemory, 'landing' | 'take'>;
  /** Connections for calls of one upstream, where it has a bound of its own. */
  connectionsMax?: (upstream: string) => number | undefined;
}): HttpUpstreams {
  const open = new Map<string, Target>();
  const connectionsOf = (name: string) => options.connectionsMax?.(name) ?? options.limits.callConnectionsMax;
  const upstreams: HttpUpstreams = {
    configure(targets) {
      for (const [name, target] of open) {
        if (targets.get(name) === target.url && target.connections === connectionsOf(name)) continue;
        open.delete(name);
        void target.calls.close();
        void target.streams.close();
      }
      for (const [name, url] of targets) if (!open.has(name)) open.set(name, openTarget(url, options, connectionsOf(name)));
    },
    dispatch(request, receiver) {
      const target = open.get(request.upstream);
      if (!target || (request.url !== undefined && request.url !== target.url)) {
        throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream has just left or moved.', facts: { outcome: 'not-sent' } });
      }
      return exchange(request.long ? target.streams : target.calls, target.path, request, receiver);
    },
    async close() {
      await Promise.all([...open.values()].flatMap(({ calls, streams }) => [calls.destroy(), streams.destroy()]));
      open.clear();
    },
  };
  upstreams.configure(options.targets);
  return upstreams;
}

function openTarget(
  url: string,
  { limits, memory }: Pick<Parameters<typeof createHttpUpstreams>[0], 'limits' | 'memory'>,
  connections: number,
): Target {
  const { origin, pathname } = new URL(url);
  const shared = { pipelining: 1, connect: { timeout: limits.connectTimeoutMs, onread: readInto(memory) }, allowH2: false } as const;
  return {
    url,
    path: pathname,
    connections,
    calls: new Pool(origin, { ...shared, connections }),
    streams: new Pool(origin, { ...shared, connections: limits.streamConnectionsMax }),
  };
}

/** Bytes arrive in one place for all connections, and are taken from there at once: Node else takes 64 KB anew for each read, whatever comes. */
function readInto(memory: Pick<ReadMemory, 'landing' | 'take'>): OnReadOpts {
  return {
    buffer: memory.landing,
    // Node calls it as a method of the connection.
    callback(this: unknown, bytes: number): boolean {
      return (this as Socket).push(memory.take(bytes));
    },
  };
}

/** One attempt over a pool. @param path with its query, where it has one */
export function exchange(pool: Pool, path: string, request: UpstreamRequest, receiver: AnswerReceiver): UpstreamExchange {
  const running = new Exchange(receiver);
  pool.dispatch(
    {
      path,
      method: request.method,
      headers: [...request.headers],
      body: request.body ?? null,
      headersTimeout: request.headTimeoutMs,
      bodyTimeout: request.silenceTimeoutMs,
      // undici re-sends idempotent requests when a connection closes under them; nothing here is.
      idempotent: false,
    },
    running,
  );
  running.waitForConnection(request.headTimeoutMs);
  return running;
}

/** Answers that end in one turn are judged and passed on together, those of all upstreams. */
const turn = new Turn(setImmediate);

/** What undici tells of one attempt. A class, since thousands of streams may be open: each closure would be one more thing that every stream keeps. */
class Exchange implements UpstreamExchange, Dispatcher.DispatchHandler {
  private readonly receiver: AnswerReceiver;
  private controller: Dispatcher.DispatchController | undefined = undefined;
  private aborted = false;
  private ended = false;
  /** undici calls onRequestStart just before it writes; a failure before that certainly sent nothing. */
  private sent = false;
  private waiting: NodeJS.Timeout | undefined = undefined;

  constructor(receiver: AnswerReceiver) {
    this.receiver = receiver;
  }

  onRequestStart(started: Dispatcher.DispatchController): void {
    this.controller = started;
    this.stopWaiting();
    if (this.aborted) started.abort(new Error('the client is gone'));
    else this.sent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[] | undefined>): void {
    // Nobody reads them again, and they keep the whole of what was read with them for as long as a stream is open.
    controller.rawHeaders = null;
    if (status >= 200) this.receiver.onHead(status, headers);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.receiver.onChunk(chunk)) controller.pause();
  }

  onResponseEnd(): void {
    if (this.ended) return;
    this.ended = true;
    turn.add(() => this.receiver.onEnd());
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, cause: Error): void {
    this.fail({ kind: this.aborted ? 'aborted' : kindOf(cause, this.sent), sent: this.sent, cause });
  }

  /** undici counts from when a request is written; one that waits for a connection would wait for as long as others keep them. */
  waitForConnection(msMax: number): void {
    if (this.controller || this.ended) return;
    this.waiting = setTimeout(() => {
      this.aborted = true;
      this.fail({ kind: 'timeout', sent: false, cause: undefined });
    }, msMax);
  }

  resume(): void {
    this.controller?.resume();
  }

  abort(): void {
    if (this.ended || this.aborted) return;
    this.aborted = true;
    if (this.controller) this.controller.abort(new Error('the client is gone'));
    // Still waiting for a connection: the client need not wait with it.
    else this.fail({ kind: 'aborted', sent: false, cause: undefined });
  }

  private fail(failure: UpstreamFailure): void {
    if (this.ended) return;
    this.ended = true;
    this.stopWaiting();
    this.receiver.onFailure(failure);
  }

  private stopWaiting(): void {
    clearTimeout(this.waiting);
    this.waiting = undefined;
  }
}

function kindOf(cause: Error, sent: boolean): UpstreamFailure['kind'] {
  const code = (cause as { code?: string }).code;
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return 'timeout';
  return sent ? 'reset' : 'connect';
}
