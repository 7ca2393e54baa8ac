import type { Subject } from './policy.ts';

/** Protocol eras (mcp-facts): sessions until 2025-11-25, stateless from 2026-07-28. */
export type Era = 'session' | 'stateless';

export const statelessVersion = '2026-07-28';
export const sessionVersions = ['2024-10-07', '2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25'] as const;
export const supportedVersions: readonly string[] = [statelessVersion, ...[...sessionVersions].reverse()];

export type ListMember = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';

/** How the gate decides about a method. */
export type MethodGate =
  /** Any live key that may use the upstream. `liveOnly`: needs no intent, only a key proven live (I1). */
  | { readonly by: 'key'; readonly eras: readonly Era[]; readonly liveOnly?: boolean; readonly private?: boolean }
  /** The answer is cut down to what the key may use. */
  | { readonly by: 'filter'; readonly eras: readonly Era[]; readonly member: ListMember; readonly subject: Subject }
  /** A rule on `params.name`, `params.uri` or `params.ref`. */
  | { readonly by: 'name'; readonly eras: readonly Era[]; readonly subject: 'tools' | 'prompts' }
  | { readonly by: 'uri'; readonly eras: readonly Era[]; readonly private?: boolean }
  | { readonly by: 'ref'; readonly eras: readonly Era[] }
  /** `params.taskId` must be a task of this key's own. Its call was decided, and paid, when the task was created. */
  | { readonly by: 'task'; readonly eras: readonly Era[] }
  /** The answer is cut down to the tasks that this key created. */
  | { readonly by: 'own-tasks'; readonly eras: readonly Era[] }
  /** `params.notifications` is cut down to what the key may hear of, and so is the stream. */
  | { readonly by: 'subscriptions'; readonly eras: readonly Era[] };

const both: readonly Era[] = ['session', 'stateless'];
const session: readonly Era[] = ['session'];
const stateless: readonly Era[] = ['stateless'];

const requests: ReadonlyMap<string, MethodGate> = new Map<string, MethodGate>([
  ['initialize', { by: 'key', eras: session }],
  ['ping', { by: 'key', eras: session, liveOnly: true }],
  ['logging/setLevel', { by: 'key', eras: session }],
  ['server/discover', { by: 'key', eras: stateless, private: true }],
  ['tools/list', { by: 'filter', eras: both, member: 'tools', subject: 'tools' }],
  ['resources/list', { by: 'filter', eras: both, member: 'resources', subject: 'resources' }],
  ['resources/templates/list', { by: 'filter', eras: both, member: 'resourceTemplates', subject: 'resources' }],
  ['prompts/list', { by: 'filter', eras: both, member: 'prompts', subject: 'prompts' }],
  ['tools/call', { by: 'name', eras: both, subject: 'tools' }],
  ['prompts/get', { by: 'name', eras: both, subject: 'prompts' }],
  ['resources/read', { by: 'uri', eras: both, private: true }],
  ['resources/subscribe', { by: 'uri', eras: session }],
  ['resources/unsubscribe', { by: 'uri', eras: session }],
  ['completion/complete', { by: 'ref', eras: both }],
  ['subscriptions/listen', { by: 'subscriptions', eras: stateless }],
  // Of the two forms of tasks: 2025-11-25 has result and list, the extension of 2026-07-28 has update.
  ['tasks/get', { by: 'task', eras: both }],
  ['tasks/cancel', { by: 'task', eras: both }],
  ['tasks/result', { by: 'task', eras: session }],
  ['tasks/list', { by: 'own-tasks', eras: session }],
  ['tasks/update', { by: 'task', eras: stateless }],
]);

const notifications: ReadonlyMap<string, readonly Era[]> = new Map([
  ['notifications/initialized', session],
  ['notifications/cancelled', both],
  ['notifications/progress', session],
  ['notifications/roots/list_changed', session],
  // About tasks of the client's own, which it made of a server's request.
  ['notifications/tasks/status', session],
]);

/** What servers may ask of clients while a stream is open (session era only). Tasks are those that the client made of sampling or elicitation. */
const serverRequests: ReadonlySet<string> = new Set([
  'sampling/createMessage',
  'elicitation/create',
  'roots/list',
  'ping',
  'tasks/get',
  'tasks/result',
  'tasks/list',
  'tasks/cancel',
]);

/** Requests that may be answered with `input_required` and are then sent again (2026-07-28, multi round-trip requests). */
const retried: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** Every method of clients that the protocol names in some era. */
export const namedMethods: readonly string[] = [...requests.keys(), ...notifications.keys()];

/** The gate of a request's method, or undefined: unknown, refused unless the operator's `methods` rules grant it. */
export function gateOf(method: string, era: Era): MethodGate | undefined {
  const gate = requests.get(method);
  return gate?.eras.includes(era) ? gate : undefined;
}

export function isKnownNotification(method: string, era: Era): boolean {
  return notifications.get(method)?.includes(era) ?? false;
}

/** A method of clients that the protocol names in some era. */
export function isNamedMethod(method: string): boolean {
  return requests.has(method) || notifications.has(method);
}

export function isServerRequest(method: string): boolean {
  return serverRequests.has(method);
}

export function takesRounds(method: string): boolean {
  return retried.has(method);
}

/** Methods whose header `Mcp-Name` mirrors a member of `params` (2026-07-28, transports, standard headers). */
export function nameHeaderMember(method: string): 'name' | 'uri' | 'taskId' | undefined {
  if (method === 'tools/call' || method === 'prompts/get') return 'name';
  if (method === 'resources/read') return 'uri';
  return gateOf(method, 'stateless')?.by === 'task' ? 'taskId' : undefined;
}
