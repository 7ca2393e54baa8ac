import { Denial } from '../domain/denial.ts';
import type { RequestMessage } from '../domain/message.ts';
import { type Era, gateOf, type MethodGate } from '../domain/method.ts';
import type { UpstreamPolicy } from '../domain/policy.ts';
import { namedIn, prefixOf } from '../domain/prefix.ts';
import { redact } from '../domain/redact.ts';
import { uriPrefixesOf, uriPrefixOf, uriScheme } from '../domain/uri-prefix.ts';
import type { Caller } from '../ports/callers.ts';
import { decidableUri } from './may-use.ts';

/** The member whose prefix the named tool, prompt or URI has; undefined where it has none of theirs. */
function memberNamed(members: readonly UpstreamPolicy[], message: RequestMessage): UpstreamPolicy | undefined {
  const named = namedIn(message, gateOf(message.method, 'session') ?? gateOf(message.method, 'stateless'));
  if (!named) return undefined;
  return members.find(({ name }) => (named.isUri ? uriPrefixesOf(name) : [prefixOf(name)]).some((prefix) => named.name.startsWith(prefix)));
}

/**
 * The one member of an aggregate that a request is for: the one it names, for a plain URI or a method of an operator's rule the only one
 * whose rules admit it. @throws Denial where none does, or where it could be for several
 */
export function chooseMember(
  { members, caller, era }: { members: readonly UpstreamPolicy[]; caller: Caller; era: Era },
  message: RequestMessage,
): UpstreamPolicy {
  const named = memberNamed(members, message);
  if (named) return named;
  const gate = gateOf(message.method, era);
  if (!gate) return byMethod(members, message);
  const uri = plainUri(message, gate);
  if (uri === undefined) {
    throw new Denial('TOOL_NOT_ALLOWED', {
      detail: 'At this path the names of tools and prompts begin with the name of their upstream: "<upstream>__<name>".',
    });
  }
  // A prefix that is none of these members' leads to none of them, whatever their own rules say of it.
  const resource = uri.startsWith(uriScheme) ? undefined : decidableUri(uri);
  const admitting = members.filter(({ ruleFor }) => {
    const rule = resource === undefined ? undefined : ruleFor('resources', resource);
    return rule?.scopes.every((scope) => caller.grants(scope));
  });
  return only(admitting, { prefixed: (name) => `${uriPrefixOf(name)}<uri>`, what: 'resource', text: uri });
}

function plainUri({ params }: RequestMessage, gate: MethodGate): string | undefined {
  if (gate.by === 'uri') return params.uri;
  return gate.by === 'ref' && params.ref?.type === 'ref/resource' ? params.ref.uri : undefined;
}

/** What only an operator's rule lets pass says nothing about whom it is for. */
function byMethod(members: readonly UpstreamPolicy[], { method }: RequestMessage): UpstreamPolicy {
  const ruled = members.filter(({ ruleFor }) => ruleFor('methods', method));
  if (ruled.length === 0) throw new Denial('UNKNOWN_METHOD', { facts: { method: redact(method) } });
  return only(ruled, { prefixed: (name) => `the path /mcp/${name}`, what: 'method', text: method });
}

function only(
  candidates: readonly UpstreamPolicy[],
  { prefixed, what, text }: { prefixed: (name: string) => string; what: string; text: string },
): UpstreamPolicy {
  const [one, ...more] = candidates;
  const facts = { [what]: redact(text) };
  if (!one) throw new Denial('TOOL_NOT_ALLOWED', { facts });
  if (more.length === 0) return one;
  const ways = candidates.map(({ name }) => prefixed(name)).join(' or ');
  throw new Denial('TOOL_NOT_ALLOWED', { detail: `Several upstreams of this path could be meant: use ${ways}.`, facts });
}
