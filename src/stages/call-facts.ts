import type { Message } from '../domain/message.ts';
import { redact } from '../domain/redact.ts';
import type { Ports } from './ports.ts';
import type { CallFacts as Facts } from './reached.ts';
import type { AnyReached } from './route-reached.ts';

const userAgentCharsMax = 200;

/** What the journal says about a call, from however far the call has come. Never a secret: keys by id, arguments by keyed hash. */
export function callFacts(ports: Pick<Ports, 'hashArguments'>, reached: AnyReached): Facts {
  return redacted({
    requestId: reached.requestId,
    ...callerFacts(reached),
    address: reached.address,
    userAgent: reached.headers['user-agent']?.slice(0, userAgentCharsMax),
    upstream: 'upstream' in reached ? reached.upstream.name : undefined,
    ...messageFacts(ports, reached),
  });
}

/** Texts that the client chose: one that holds a credential, by mistake or on purpose, must not carry it into the journal (I5). */
const clientTexts = ['userAgent', 'method', 'tool', 'resource', 'prompt'] as const;

function redacted(facts: Facts): Facts {
  let clean = facts;
  for (const name of clientTexts) {
    const text = facts[name];
    if (typeof text !== 'string') continue;
    const shown = redact(text);
    // Copied only where there is something to hide, which is hardly ever.
    if (shown !== text) clean = { ...clean, [name]: shown };
  }
  return clean;
}

function callerFacts(reached: AnyReached): Facts {
  if (!('caller' in reached)) return {};
  const { key } = reached.caller;
  return {
    keyId: key.id,
    parentIds: key.parentIds.length > 0 ? key.parentIds : undefined,
    org: key.orgId,
    agent: key.agentId,
    bot: key.botId,
    account: key.accountId,
    environment: key.environment,
    onBehalfOf: key.onBehalfOf,
  };
}

function messageFacts(ports: Pick<Ports, 'hashArguments'>, reached: AnyReached): Facts {
  const method = methodOf(reached);
  if (!('subject' in reached)) return { method, ...unjudgedSubject(reached) };
  const { intent, rule, subject, upstream } = reached;
  const span = intent.kind === 'request' ? intent.message.params.arguments : undefined;
  const round = intent.kind === 'request' ? intent.retry?.round : undefined;
  return {
    method,
    ...subject,
    argumentsHash: span && intent.kind === 'request' ? ports.hashArguments(intent.message.bytes.subarray(span.start, span.end)) : undefined,
    rule: rule?.id,
    ruleRevision: rule ? upstream.revision : undefined,
    ...(round !== undefined && { round }),
  };
}

/** For a refusal before a rule was found: what the message asked for, in the upstream's own names once those are known. */
function unjudgedSubject(reached: AnyReached): Facts {
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
