import { Denial } from '../../../domain/denial.ts';
import type { Message } from '../../../domain/message.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { AnswerReceiver, UpstreamExchange, UpstreamRequest } from '../../../ports/upstreams.ts';
import { createBackOff } from './back-off.ts';
import { type Circuit, createCircuit } from './circuit.ts';
import type { Sharing } from './incoming.ts';
import type { OpenLink } from './link.ts';
import { answerStatus } from './local-answer.ts';

/** Units in the names. */
export interface DuplexLimits {
  readonly linksMax: number;
  readonly linksPerKeyMax: number;
  readonly sessionsMax: number;
  readonly idleMs: number;
  readonly startTimeoutMs: number;
}

/** An upstream behind links that carry messages both ways, presented as Streamable HTTP. */
export interface DuplexUpstream {
  /** @throws Denial UPSTREAM_UNAVAILABLE while it is left alone after a failure, OVERLOADED at a limit, INVALID_MESSAGE without a session */
  dispatch(request: UpstreamRequest, receiver: AnswerReceiver): UpstreamExchange;
  /** Takes nothing new: calls end, then their links. Resolves when nothing of it is left. */
  retire(): Promise<void>;
  close(): Promise<void>;
  kill(): void;
}

interface DuplexOptions {
  readonly open: OpenLink;
  /** A link for each session, or one for all. */
  readonly shared: boolean;
  readonly limits: DuplexLimits;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly newId: () => string;
}

/** A session that was used more recently than this is not taken for one that was left, in milliseconds. */
const restMsMin = 10_000;

/** A circuit, and the key it is for; "" where it is for everybody. */
interface Held {
  readonly circuit: Circuit;
  readonly keyId: string;
}

/**
 * Sessions live where their link is: in this process. Another replica does not know them and answers 404, upon which clients initialize again; that is the
 * declared exception of I9.
 */
export function createDuplexUpstream(options: DuplexOptions): DuplexUpstream {
  const { limits, newId } = options;
  const backOff = createBackOff(options.clock);
  const held = new Set<Held>();
  /** Links that have ended and are not gone yet still count: a child takes its room until it is dead. */
  const ending = new Set<Promise<void>>();
  const emptied = Promise.withResolvers<void>();
  let retired = false;

  const holder = (keyId: string): string => (options.shared ? '' : keyId);

  const open = (sharing: Sharing, request: UpstreamRequest): Circuit => {
    const keyId = holder(request.keyId);
    const retryAfterMs = backOff.waitMs(keyId);
    if (retryAfterMs > 0) throw new Denial('UPSTREAM_UNAVAILABLE', { facts: { retryAfterMs, outcome: 'not-sent' } });
    if (held.size + ending.size >= limits.linksMax || !makeRoom(keyId)) {
      throw new Denial('OVERLOADED', { detail: 'The upstream has as many sessions as it may have.', facts: { outcome: 'not-sent' } });
    }
    const { idleMs, startTimeoutMs, sessionsMax } = limits;
    const onEnded = ({ lost }: { lost: boolean }): void => {
      if (lost) backOff.failed(keyId);
      leave(one);
    };
    const circuit = createCircuit({ sharing, open: options.open, first: request, idleMs, startTimeoutMs, sessionsMax, newId, onEnded });
    const one: Held = { circuit, keyId };
    held.add(one);
    return circuit;
  };

  const leave = (one: Held): void => {
    if (!held.delete(one)) return;
    const gone = one.circuit.close().finally(() => ending.delete(gone));
    ending.add(gone);
    if (retired && held.size === 0) emptied.resolve();
  };

  /** Whether the key may have another link. Clients often leave without a word: of theirs, the one that has been left longest gives way. */
  const makeRoom = (keyId: string): boolean => {
    const own = [...held].filter((one) => one.keyId === keyId);
    if (own.length < limits.linksPerKeyMax) return true;
    const [longest] = own
      .flatMap(({ circuit }) => (circuit.restingSince === undefined ? [] : [{ circuit, since: circuit.restingSince }]))
      .toSorted((one, other) => one.since - other.since);
    if (!longest || performance.now() - longest.since < restMsMin) return false;
    void longest.circuit.close();
    return true;
  };

  const circuits = (): Circuit[] => [...held].map(({ circuit }) => circuit);
  const circuitOf = (session: string, keyId: string): Circuit | undefined => {
    for (const { circuit } of held) if (circuit.has(session, keyId)) return circuit;
    return undefined;
  };

  const post = (request: UpstreamRequest, message: Message, receiver: AnswerReceiver): UpstreamExchange => {
    if (request.era === 'stateless') {
      const keyId = holder(request.keyId);
      const known = [...held].find((one) => one.circuit.sharing === 'sessionless' && one.keyId === keyId)?.circuit;
      // A notification alone is no reason to start anything.
      if (!known && message.kind !== 'request') return answerStatus(receiver, 202);
      return (known ?? open('sessionless', request)).post(request, message, receiver);
    }
    if (message.kind === 'request' && message.method === 'initialize') {
      const known = options.shared ? circuits().find(({ sharing }) => sharing === 'shared') : undefined;
      return (known ?? open(options.shared ? 'shared' : 'own', request)).initialize(request, message, receiver);
    }
    const { session } = request;
    if (session === undefined) throw new Denial('INVALID_MESSAGE', { detail: 'This upstream keeps sessions: send initialize first.' });
    const circuit = circuitOf(session, request.keyId);
    return circuit ? circuit.post(request, message, receiver, session) : answerStatus(receiver, 404);
  };

  return {
    dispatch(request, receiver) {
      if (retired) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream has just left or moved.', facts: { outcome: 'not-sent' } });
      const { method, message, session } = request;
      if (method === 'POST') {
        if (!message) throw new Error('a POST to an upstream carries a message');
        return post(request, message, receiver);
      }
      // Without a session there is nothing to listen to or to end.
      if (session === undefined) return answerStatus(receiver, 405);
      const circuit = circuitOf(session, request.keyId);
      if (!circuit) return answerStatus(receiver, 404);
      if (method === 'GET') return circuit.listen(session, receiver);
      circuit.endSession(session);
      return answerStatus(receiver, 200);
    },
    async retire() {
      retired = true;
      for (const circuit of circuits()) circuit.retire();
      if (held.size > 0) await emptied.promise;
      await Promise.all(ending);
    },
    async close() {
      retired = true;
      for (const one of [...held]) leave(one);
      await Promise.all(ending);
    },
    kill() {
      for (const circuit of circuits()) circuit.kill();
    },
  };
}
