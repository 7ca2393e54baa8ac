import { Denial } from '../../domain/denial.ts';
import type { Scanned } from '../../domain/message.ts';
import type { Era } from '../../domain/method.ts';
import type { Endpoint, UpstreamPolicy } from '../../domain/policy.ts';
import { readBundle, type SessionBundle } from '../../domain/session-bundle.ts';
import { boundTo } from '../../stages/bound-to.ts';
import type { Ports } from '../../stages/ports.ts';
import type { Authenticated, Received } from '../../stages/reached.ts';
import { placeOf } from '../../stages/stand.ts';
import type { TaskPlace } from '../../stages/task-ids.ts';
import { type CapturedReply, type CaptureTerms, createCapture } from '../captured-reply.ts';
import { replyInSession } from './reply-in-session.ts';

export type Serve = (received: Received) => Promise<void>;

/** What one member gets that differs from what the client sent. */
export interface Part {
  readonly scanned?: Scanned;
  readonly lastEventId?: string | undefined;
}

/** One request at a path over several upstreams, and the ways to hand it to them. */
export interface Gathering {
  readonly ports: Ports;
  readonly request: Authenticated;
  readonly endpoint: Endpoint;
  readonly era: Era;
  /** The upstreams that this key may use here and that belong to the request's session, in configuration order. */
  readonly members: readonly UpstreamPolicy[];
  /** Those that it may use, and that the session was begun without. */
  readonly absent: readonly UpstreamPolicy[];
  /** Headers that name the session in answers. */
  readonly sessionHeaders: Readonly<Record<string, string>>;
  /** Hands the request to one member, which answers the client itself. */
  pass(member: UpstreamPolicy, part?: Part): Promise<void>;
  /** Hands it to one member and keeps the answer. */
  capture(member: UpstreamPolicy, terms: Omit<CaptureTerms, 'bytesMax'>, part?: Part): CapturedReply;
  /** Where a member stands, as its handles are sealed to it. */
  placeAt(member: UpstreamPolicy): TaskPlace;
  /** What a sealed text of this member holds, where it was given to this key and session. */
  open(member: UpstreamPolicy, purpose: 'request' | 'event', sealed: string): string | undefined;
  /** Resolves once everything that was handed on is settled. */
  settled(): Promise<void>;
}

export interface GatheringTerms {
  readonly ports: Ports;
  readonly serve: Serve;
  readonly request: Authenticated;
  readonly endpoint: Endpoint;
  readonly era: Era;
  /** The upstreams that this key may use here. */
  readonly usable: readonly UpstreamPolicy[];
}

/** @throws Denial SESSION_NOT_FOUND where the session is not of this key and path */
export function gather({ ports, serve, request, endpoint, era, usable }: GatheringTerms): Gathering {
  const { 'mcp-session-id': named, 'last-event-id': _event, ...headers } = request.headers;
  const sealed = era === 'session' && named !== undefined && !begins(request) ? String(named) : undefined;
  const bundle = sealed === undefined ? undefined : readBundle(sealed);
  if (sealed !== undefined && !bundle) throw new Denial('SESSION_NOT_FOUND');
  const members = usable.filter(({ name }) => bundle?.has(name) ?? true);
  const placeAt = (member: UpstreamPolicy): TaskPlace => ({
    caller: request.caller,
    endpoint: placeOf(endpoint, member.name),
    upstream: member,
  });
  const bound = (member: UpstreamPolicy, session?: string): string[] => boundTo(placeAt(member), session);
  const sessions = openSessions(members, bundle, (member, text) =>
    ports.seal.open({ purpose: 'session', bound: bound(member), sealed: text }),
  );
  const sessionHeaders: Record<string, string> = sealed === undefined ? {} : { 'mcp-session-id': sealed };
  const capture = createCapture(request.reply);
  const served: Promise<void>[] = [];

  const toMember = (member: UpstreamPolicy, reply: Received['reply'], { scanned, lastEventId }: Part): Received => {
    const own = bundle?.get(member.name);
    return {
      ...request,
      member: member.name,
      reply,
      scanned: scanned ?? request.scanned,
      headers: {
        ...headers,
        ...(own && own.sealed !== '' && { 'mcp-session-id': own.sealed }),
        // Each member was told the client's newest version and chose its own; the client knows the oldest of those.
        ...(own && own.version !== '' && headers['mcp-protocol-version'] !== undefined && { 'mcp-protocol-version': own.version }),
        ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
      },
    };
  };
  return {
    ...{ ports, request, endpoint, era, members, sessionHeaders, placeAt },
    absent: usable.filter((member) => !members.includes(member)),
    pass: (member, part = {}) => serve(toMember(member, replyInSession(request.reply, sessionHeaders), part)),
    capture(member, terms, part = {}) {
      const captured = capture({ ...terms, bytesMax: request.policy.limits.answerBytesMax });
      const done = serve(toMember(member, captured.reply, part));
      // A fault that ends the gateway's promise without an answer must not leave the others waiting.
      done.then(captured.abandon, captured.abandon);
      served.push(done);
      return captured;
    },
    open: (member, purpose, text) => ports.seal.open({ purpose, bound: bound(member, sessions.get(member.name)), sealed: text }),
    async settled() {
      await Promise.all(served);
    },
  };
}

/** Initialize begins a session, whatever the client names. */
function begins({ scanned }: Authenticated): boolean {
  return scanned?.ok === true && scanned.message.kind === 'request' && scanned.message.method === 'initialize';
}

/** A bundle of which one part is not this key's own is not this key's at all. */
function openSessions(
  members: readonly UpstreamPolicy[],
  bundle: SessionBundle | undefined,
  open: (member: UpstreamPolicy, sealed: string) => string | undefined,
): Map<string, string> {
  const sessions = new Map<string, string>();
  if (bundle && members.length === 0) throw new Denial('SESSION_NOT_FOUND');
  for (const member of members) {
    const sealed = bundle?.get(member.name)?.sealed ?? '';
    if (sealed === '') continue;
    const session = open(member, sealed);
    if (session === undefined) throw new Denial('SESSION_NOT_FOUND');
    sessions.set(member.name, session);
  }
  return sessions;
}
