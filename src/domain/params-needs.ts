import { statelessVersion } from './method.ts';
import type { ParamsRead } from './params.ts';

interface Needs {
  /** Must stand there, as the right type. */
  readonly needed: readonly ('name' | 'uri' | 'ref' | 'taskId')[];
  /** May be absent, but not stand there as another type. */
  readonly typed?: readonly string[];
  /** Only where the body does not claim the stateless era, which has no such method: there it is unknown, whatever its params. */
  readonly sessionOnly?: true;
}

const byUri: Needs = { needed: ['uri'], sessionOnly: true };
const byTask: Needs = { needed: ['taskId'] };

/** What each method decides on. A Map, since the method's text is the caller's: `constructor` is no method. */
const needs: ReadonlyMap<string, Needs> = new Map<string, Needs>([
  ['tools/call', { needed: ['name'], typed: ['arguments', 'task', 'requestState'] }],
  ['prompts/get', { needed: ['name'], typed: ['arguments', 'task', 'requestState'] }],
  ['resources/read', { needed: ['uri'], typed: ['task', 'requestState'] }],
  ['resources/subscribe', byUri],
  ['resources/unsubscribe', byUri],
  ['completion/complete', { needed: ['ref'], typed: ['ref.type', 'ref.name', 'ref.uri'] }],
  ['tasks/get', byTask],
  ['tasks/result', byTask],
  ['tasks/update', byTask],
  ['tasks/cancel', byTask],
  ['notifications/cancelled', { needed: [], typed: ['requestId'] }],
  ['initialize', { needed: [], typed: ['protocolVersion'] }],
]);

const forms: Readonly<Record<string, string>> = {
  arguments: 'an object',
  task: 'an object',
  ref: 'an object with a type, and a name or uri that fits it',
  requestId: 'a string or an integer',
};

/** Why these params do not do for the method, as a sentence; undefined when they do. */
export function unmetNeed(method: string, read: ParamsRead): string | undefined {
  const need = needs.get(method);
  if (need === undefined) return undefined;
  const { deciding, wrong } = read;
  if (need.sessionOnly && deciding.metaProtocolVersion === statelessVersion) return undefined;
  const unmet = need.typed?.find((member) => wrong.includes(member)) ?? need.needed.find((member) => deciding[member] === undefined);
  if (unmet !== undefined) return sentence(method, unmet);
  const ref = need.needed.includes('ref') ? deciding.ref : undefined;
  if (ref?.type === 'ref/prompt' && ref.name === undefined) return sentence(method, 'ref');
  if (ref?.type === 'ref/resource' && ref.uri === undefined) return sentence(method, 'ref');
  return undefined;
}

function sentence(method: string, member: string): string {
  return `In ${method}, params.${member} must be ${forms[member] ?? 'a string'}.`;
}
