import { createHash } from 'node:crypto';
import { Denial } from '../domain/denial.ts';
import type { Message, RequestMessage, ResponseMessage } from '../domain/message.ts';
import { type Era, gateOf, isKnownNotification } from '../domain/method.ts';
import { withoutPrefix } from '../domain/prefix.ts';
import { redact } from '../domain/redact.ts';
import { scan } from '../domain/scan.ts';
import { splice } from '../domain/splice.ts';
import { uriPrefixesOf } from '../domain/uri-prefix.ts';
import { boundTo } from './bound-to.ts';
import { judgeEra } from './era.ts';
import { openMention } from './open-mention.ts';
import { openRequest } from './open-request.ts';
import type { Ports } from './ports.ts';
import type { Intent, Located, RequestIntent, ResumedEvent, Understood } from './reached.ts';

/** Answers to server requests are taken for an hour after the request went out. */
const answerMsMax = 3_600_000;

/** What does the caller want, in the terms of its era? Sealed ids are opened here; what is not this key's own is not found. */
export function understand(ports: Pick<Ports, 'seal'>, located: Located): Understood {
  if (located.verb === 'POST') return understandMessage(ports, located);
  const era = judgeEra(located, undefined);
  if (era === 'stateless') throw new Denial('METHOD_NOT_ALLOWED', { detail: 'Protocol 2026-07-28 has no GET or DELETE.' });
  const session = openSession(ports, located);
  if (located.verb === 'DELETE') return { ...located, era, session, intent: { kind: 'end' } };
  return { ...located, era, session, intent: { kind: 'stream', resumed: openEvent(ports, located, session) } };
}

function understandMessage(ports: Pick<Ports, 'seal'>, located: Located): Understood {
  const { scanned } = located;
  if (!scanned) throw new Denial('INVALID_MESSAGE');
  if (!scanned.ok) throw new Denial(scanned.reason, { detail: scanned.detail });
  const { message } = scanned;
  const era = judgeEra(located, message);
  const starts = message.kind === 'request' && message.method === 'initialize';
  const session = era === 'session' && !starts ? openSession(ports, located) : undefined;
  return { ...located, era, session, intent: readIntent(ports, located, { message, era, session }) };
}

function readIntent(
  ports: Pick<Ports, 'seal'>,
  located: Located,
  { message, era, session }: { message: Message; era: Era; session: string | undefined },
): Intent {
  if (message.kind === 'request') {
    const gate = gateOf(message.method, era);
    // Unknown methods pass only where a rule of the operator's names them.
    if (!gate && !located.upstream.ruleFor('methods', message.method))
      throw new Denial('UNKNOWN_METHOD', { facts: { method: redact(message.method) } });
    return openRequest(ports, located, { message: ownNames(located, { message, gate }), gate, era });
  }
  if (message.kind === 'notification') {
    if (!isKnownNotification(message.method, era) && !located.upstream.ruleFor('methods', message.method)) {
      throw new Denial('UNKNOWN_METHOD', { facts: { method: redact(message.method) } });
    }
    return { kind: 'notification', message: openMention(ports, located, { message, related: message.params.relatedTask }) };
  }
  if (era === 'stateless') throw new Denial('INVALID_MESSAGE', { detail: 'Clients send no responses in protocol 2026-07-28.' });
  return openAnswer(ports, located, { message, session });
}

/** The request in the upstream's own names. What the client's headers say was compared with its own body before. */
function ownNames({ endpoint, policy }: Located, { message, gate }: Pick<RequestIntent, 'message' | 'gate'>): RequestMessage {
  if (endpoint.kind === 'upstream') return message;
  const { jsonDepthMax, jsonNodesMax } = policy.limits;
  const limits = { depthMax: jsonDepthMax, nodesMax: jsonNodesMax };
  const uriPrefixes = endpoint.uriPrefix === undefined ? [] : uriPrefixesOf(endpoint.upstream);
  const own = withoutPrefix({ message, gate, prefix: endpoint.prefix, uriPrefixes, limits });
  if (own) return own;
  throw new Denial('TOOL_NOT_ALLOWED', { detail: `At this path the names of tools and prompts begin with "${endpoint.prefix}".` });
}

/** A client's response passes only as the answer to a request that was forwarded to this key, upstream and session. */
function openAnswer(
  ports: Pick<Ports, 'seal'>,
  located: Located,
  { message, session }: { message: ResponseMessage; session: string | undefined },
): Intent {
  const { at, policy } = located;
  const sealed = typeof message.id === 'string' ? message.id : '';
  const plain = ports.seal.open({ purpose: 'request', bound: boundTo(located, session), sealed });
  if (plain === undefined) throw new Denial('INVALID_MESSAGE', { detail: 'This response answers no request of this session.' });
  const { id, at: sealedAt } = JSON.parse(plain) as { id: string; at: number };
  if (at > sealedAt + answerMsMax) throw new Denial('INVALID_MESSAGE', { detail: 'The request this response answers is too old.' });
  const onceId = createHash('sha256').update(sealed).digest('hex');
  const { jsonDepthMax, jsonNodesMax } = policy.limits;
  const scanned = scan(splice(message.bytes, [{ span: message.idSpan, text: id }]), { depthMax: jsonDepthMax, nodesMax: jsonNodesMax });
  const own = scanned.ok ? scanned.message : undefined;
  if (own?.kind !== 'response') throw new Error('a spliced answer no longer scans');
  const { bytes: body } = openMention(ports, located, { message: own, related: own.marks?.relatedTask });
  return { kind: 'answer', body, onceId, onceUntil: sealedAt + answerMsMax };
}

function openSession(ports: Pick<Ports, 'seal'>, located: Located): string | undefined {
  const sealed = located.headers['mcp-session-id'];
  if (sealed === undefined) return undefined;
  const session = ports.seal.open({ purpose: 'session', bound: boundTo(located), sealed: String(sealed) });
  if (session === undefined) throw new Denial('SESSION_NOT_FOUND');
  return session;
}

function openEvent(ports: Pick<Ports, 'seal'>, located: Located, session: string | undefined): ResumedEvent | undefined {
  const sealed = located.headers['last-event-id'];
  if (sealed === undefined) return undefined;
  const plain = ports.seal.open({ purpose: 'event', bound: boundTo(located, session), sealed: String(sealed) });
  if (plain === undefined) throw new Denial('SESSION_NOT_FOUND', { detail: 'The Last-Event-ID is not of this session.' });
  return JSON.parse(plain) as ResumedEvent;
}
