import { readBridgedSession } from '../../../domain/bridged-session.ts';
import { Denial } from '../../../domain/denial.ts';
import type { Protocol } from '../../../domain/policy.ts';
import { wishesOf } from '../../../domain/session-form.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamRequest, Upstreams } from '../../../ports/upstreams.ts';
import type { BridgePorts } from './bridge-ports.ts';
import { createKnownEras, type Verdict } from './known-eras.ts';
import { type Leg, startLeg } from './leg.ts';
import { askDiscover } from './questions.ts';
import { introduce, serveSession } from './serve-session.ts';
import { serveStateless } from './serve-stateless.ts';
import { createToolHeaders } from './tool-headers.ts';
import { tryNative } from './try-native.ts';
import { createUpstreamSessions } from './upstream-sessions.ts';

export interface EraBridge extends Upstreams {
  /** What was found out about upstreams is found out anew: the configuration was reloaded. */
  forget(): void;
  /** Ends the sessions that the bridge holds. */
  close(): Promise<void>;
}

/** How long an upstream is asked for its era before the caller's own request tells, in milliseconds. */
const probeMsMax = 5_000;

/** Answers that say "not like this": where one comes to a request in the caller's own form, what is known is doubted. */
const contradictions: ReadonlySet<number> = new Set([400, 404, 405, 406]);

/**
 * Lets callers of either protocol era speak to upstreams of either. Where the upstream speaks the caller's era itself, the request goes
 * through untouched; docs/bridge.md says what happens where it does not, and what cannot be carried over.
 */
export function createEraBridge(options: Pick<BridgePorts, 'upstreams' | 'clock' | 'log' | 'protocolOf' | 'limits' | 'newId'>): EraBridge {
  const { upstreams, protocolOf, log } = options;
  const ports: BridgePorts = {
    ...options,
    eras: createKnownEras(options),
    sessions: createUpstreamSessions(options),
    toolHeaders: createToolHeaders(options),
    running: new Map(),
  };
  const later = (request: UpstreamRequest, receiver: AnswerReceiver, begin: (leg: Leg) => Promise<void> | void): UpstreamExchange =>
    startLeg(receiver, { begin, fault: (thrown) => log.fault('the era bridge failed', thrown, { upstream: request.upstream }) });
  return {
    dispatch(request, receiver) {
      switch (route(ports, request, protocolOf(request.upstream))) {
        case 'native':
          return upstreams.dispatch(request, receiver);
        case 'watched':
          return upstreams.dispatch(request, watching(ports, request, receiver));
        case 'bridged':
          return later(request, receiver, (leg) => serve(ports, leg, request));
        case 'introduction':
          return later(request, receiver, (leg) => introduceItself(ports, leg, request));
        case 'unknown':
          return later(request, receiver, (leg) => findOut(ports, leg, request));
      }
    },
    forget: () => ports.eras.forget(),
    close: () => ports.sessions.close(),
  };
}

type Route = 'native' | 'watched' | 'bridged' | 'introduction' | 'unknown';

function route({ eras }: BridgePorts, request: UpstreamRequest, protocol: Protocol): Route {
  const { era, message, session } = request;
  if (era === 'session' && session !== undefined) {
    // The id tells whose session it is: the upstream's own, or one that only the bridge understands.
    if (!readBridgedSession(session)) return 'native';
    if (protocol !== 'session') return 'bridged';
    throw new Denial('SESSION_NOT_FOUND', { detail: 'The upstream is spoken to in another protocol era by now.' });
  }
  if (protocol !== 'auto') return protocol === era ? 'native' : 'bridged';
  const verdict = eras.get(request, era);
  if (verdict === 'bridged') return 'bridged';
  if (era === 'stateless') return verdict === undefined ? 'unknown' : 'watched';
  // Whoever goes on without having begun is the upstream's own to judge.
  if (message?.kind !== 'request' || message.method !== 'initialize') return 'native';
  return verdict === undefined ? 'introduction' : 'watched';
}

function serve(ports: BridgePorts, leg: Leg, request: UpstreamRequest): Promise<void> {
  return request.era === 'stateless' ? serveStateless(ports, leg, request) : serveSession(ports, leg, request);
}

function watching({ eras }: BridgePorts, request: UpstreamRequest, receiver: AnswerReceiver): AnswerReceiver {
  return {
    onHead(status, headers) {
      if (contradictions.has(status)) eras.doubt(request, request.era);
      receiver.onHead(status, headers);
    },
    onChunk: (chunk) => receiver.onChunk(chunk),
    onEnd: () => receiver.onEnd(),
    onFailure: (failure) => receiver.onFailure(failure),
  };
}

/** `initialize` goes out as it is; only where the upstream refuses it is it asked whether it speaks 2026-07-28 instead. */
async function introduceItself(ports: BridgePorts, leg: Leg, request: UpstreamRequest): Promise<void> {
  const { message } = request;
  const held = await tryNative(ports.upstreams, leg, request);
  const taken = held === 'streamed' || (held?.message?.kind === 'response' && held.message.outcome === 'result');
  if (taken) ports.eras.learn(request, 'session', 'native');
  if (held === undefined || held === 'streamed') return;
  const refused = held.status === 200 ? held.message?.kind === 'response' : contradictions.has(held.status);
  const discovered = refused && !taken ? await askDiscover(ports.upstreams, request, probeMs(request)) : undefined;
  if (discovered?.said !== 'yes' || message?.kind !== 'request') {
    held.pass();
    return;
  }
  ports.eras.learn(request, 'session', 'bridged');
  ports.eras.learn(request, 'stateless', 'native');
  introduce(ports, leg, { request, message, discovered: discovered.answer });
}

/** The first stateless request at an upstream of which nothing is known. */
async function findOut(ports: BridgePorts, leg: Leg, request: UpstreamRequest): Promise<void> {
  const verdict = await ports.eras.once(request, () => findStateless(ports, request));
  if (leg.over) return;
  if (verdict === 'bridged') return serveStateless(ports, leg, request);
  leg.follow(ports.upstreams.dispatch(request, leg));
}

async function findStateless(ports: BridgePorts, request: UpstreamRequest): Promise<Verdict> {
  const learn = (verdict: Verdict): Verdict => {
    ports.eras.learn(request, 'stateless', verdict);
    return verdict;
  };
  const discovered = await askDiscover(ports.upstreams, request, probeMs(request));
  if (discovered?.said === 'yes') return learn('native');
  if (!discovered) return 'native';
  // It knows no server/discover. Only a session that opens proves that it is spoken to in sessions.
  const wishes = request.message?.kind === 'request' ? wishesOf(request.message) : {};
  try {
    const use = await ports.sessions.use(request, { ...wishes, timeoutMs: probeMs(request) });
    use.release();
    return learn('bridged');
  } catch (thrown) {
    if (thrown instanceof Denial) return 'native';
    throw thrown;
  }
}

function probeMs({ headTimeoutMs }: UpstreamRequest): number {
  return Math.min(headTimeoutMs, probeMsMax);
}
