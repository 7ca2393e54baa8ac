import type { Message } from '../domain/message.ts';
import type { RecordKind } from '../domain/record.ts';
import { redact } from '../domain/redact.ts';
import type { Ports } from './ports.ts';
import type { Authorized, CallFacts } from './reached.ts';
import type { AnyReached } from './route-reached.ts';

const userAgentCharsMax = 200;

type Subject = { readonly [Of in keyof Authorized['subject']]: string | undefined };

/**
 * What the journal says about a call, from however far the call has come. Never a secret: keys by id, arguments by keyed hash. Every member is named here
 * one by one: this is made for each call, and copying objects into one another costs more than all the rest of it.
 */
export function callFacts<Kind extends RecordKind>(ports: Pick<Ports, 'hashArguments'>, reached: AnyReached, kind: Kind): CallFacts<Kind> {
  const key = 'caller' in reached ? reached.caller.key : undefined;
  const { subject, rule } = 'subject' in reached ? reached : { subject: unjudgedSubject(reached), rule: undefined };
  const request = 'subject' in reached && reached.intent.kind === 'request' ? reached.intent : undefined;
  const span = request?.message.params.arguments;
  return {
    kind,
    requestId: reached.requestId,
    keyId: key?.id,
    parentIds: key && key.parentIds.length > 0 ? key.parentIds : undefined,
    org: key?.orgId,
    agent: key?.agentId,
    bot: key?.botId,
    account: key?.accountId,
    environment: key?.environment,
    onBehalfOf: key?.onBehalfOf,
    address: reached.address,
    userAgent: shown(reached.headers['user-agent']?.slice(0, userAgentCharsMax)),
    upstream: 'upstream' in reached ? reached.upstream.name : undefined,
    method: shown(methodOf(reached)),
    tool: shown(subject.tool),
    resource: shown(subject.resource),
    prompt: shown(subject.prompt),
    argumentsHash: request && span ? ports.hashArguments(request.message.bytes.subarray(span.start, span.end)) : undefined,
    rule: rule?.id,
    ruleRevision: rule && 'upstream' in reached ? reached.upstream.revision : undefined,
    round: request?.retry?.round,
  };
}

/** A text that the client chose: one that holds a credential, by mistake or on purpose, must not carry it into the journal (I5). */
function shown(text: string | undefined): string | undefined {
  return text === undefined ? undefined : redact(text);
}

/** For a refusal before a rule was found: what the message asked for, in the upstream's own names once those are known. */
function unjudgedSubject(reached: AnyReached): Subject {
  if ('target' in reached) return { resource: reached.target.path };
  const message = messageOf(reached);
  if (message?.kind !== 'request') return {};
  const { method, params } = message;
  if (method === 'tools/call') return { tool: params.name };
  if (method === 'prompts/get') return { prompt: params.name };
  return { resource: params.uri };
}

function messageOf(reached: AnyReached): Message | undefined {
  if ('intent' in reached && reached.intent.kind === 'request') return reached.intent.message;
  const scanned = 'scanned' in reached ? reached.scanned : undefined;
  return scanned?.ok ? scanned.message : undefined;
}

/** The JSON-RPC method, or how the journal and the metrics name what has none. */
export function methodOf(reached: AnyReached): string | undefined {
  if ('query' in reached) return reached.upgrading ? 'http/upgrade' : `http/${reached.verb}`;
  if (reached.verb === 'GET') return 'stream/open';
  if (reached.verb === 'DELETE') return 'session/end';
  const scanned = 'scanned' in reached ? reached.scanned : undefined;
  if (!scanned?.ok) return undefined;
  return scanned.message.kind === 'response' ? 'response' : scanned.message.method;
}
