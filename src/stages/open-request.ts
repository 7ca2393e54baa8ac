import { createHash } from 'node:crypto';
import { Denial } from '../domain/denial.ts';
import type { Edit } from '../domain/listing.ts';
import type { RequestMessage } from '../domain/message.ts';
import { type Era, takesRounds } from '../domain/method.ts';
import { ownStateEdit, readStateText, roundsMax, stateMsMax } from '../domain/round.ts';
import { scan } from '../domain/scan.ts';
import { splice } from '../domain/splice.ts';
import { narrowingEdits } from '../domain/subscriptions.ts';
import { uriPrefixesOf } from '../domain/uri-prefix.ts';
import { boundTo } from './bound-to.ts';
import type { Ports } from './ports.ts';
import type { Located, RequestIntent, Retry } from './reached.ts';
import { openTask, unknownTask } from './task-ids.ts';

type Asked = Pick<RequestIntent, 'message' | 'gate'>;

/**
 * The request with every sealed handle opened: task ids, and the state of a call that is sent again. What is not this key's own is not found,
 * but for tasks that a client merely wants to hear of: those are left out, and the upstream's acknowledgement tells which are left.
 * @throws Denial
 */
export function openRequest(
  ports: Pick<Ports, 'seal'>,
  located: Located,
  { message, gate, era }: Asked & { readonly era: Era },
): RequestIntent {
  const { params } = message;
  const tasks = new Map<string, string>();
  const edits: Edit[] = [];
  const own = (sealed: string): string | undefined => {
    const id = openTask(ports, located, sealed);
    if (id !== undefined) tasks.set(id, sealed);
    return id;
  };
  const taskEdit = ({ id, span }: { id: string | undefined; span: Edit['span'] | undefined }): Edit => {
    const opened = id === undefined ? undefined : own(id);
    if (opened === undefined || !span) throw unknownTask(message, era);
    return { span, text: JSON.stringify(opened) };
  };
  if (gate?.by === 'task') edits.push(taskEdit({ id: params.taskId, span: params.taskIdSpan }));
  if (params.relatedTask) edits.push(taskEdit(params.relatedTask));
  if (gate?.by === 'subscriptions' && !params.notifications) {
    throw new Denial('INVALID_MESSAGE', { detail: 'In subscriptions/listen, params.notifications must be an object.' });
  }
  if (gate?.by === 'subscriptions') edits.push(...narrowingEdits(message, { uri: (uri) => ownUri(located, uri), task: own }));
  const retry = era === 'stateless' && takesRounds(message.method) ? openState(ports, located, { message, edits }) : undefined;
  const forwarded = edits.length === 0 ? message : edited(message, edits, located);
  return { kind: 'request', message: forwarded, gate, tasks: tasks.size > 0 ? tasks : undefined, retry };
}

/** Where several upstreams are listened to at one path, each hears of its own resources, by the URIs that it knows. */
function ownUri({ endpoint }: Located, uri: string): string | undefined {
  if (endpoint.kind === 'upstream' || endpoint.uriPrefix === undefined) return uri;
  const prefix = uriPrefixesOf(endpoint.upstream).find((each) => uri.startsWith(each));
  return prefix === undefined ? undefined : uri.slice(prefix.length);
}

/** Opens the state of a call that is sent again, and puts the upstream's own in its place. */
function openState(
  ports: Pick<Ports, 'seal'>,
  located: Located,
  { message, edits }: { message: RequestMessage; edits: Edit[] },
): Retry | undefined {
  const span = message.params.requestState;
  if (!span) return undefined;
  const sealed = JSON.parse(message.bytes.toString('utf8', span.start, span.end)) as string;
  const plain = ports.seal.open({ purpose: 'state', bound: stateBound(located, message), sealed });
  if (plain === undefined) {
    const detail = 'The requestState is unknown here, or was given to another key, path, upstream, tool, prompt or resource.';
    throw new Denial('SESSION_NOT_FOUND', { detail });
  }
  const state = readStateText(plain);
  const onceUntil = state.at + stateMsMax;
  if (located.at > onceUntil) throw new Denial('INVALID_MESSAGE', { detail: 'The requestState is too old: make the call anew.' });
  if (state.round > roundsMax) {
    throw new Denial('INVALID_MESSAGE', {
      detail: `A call may be sent again ${roundsMax} times: make it anew.`,
      facts: { limit: roundsMax },
    });
  }
  edits.push(ownStateEdit(message, state.own));
  const onceId = createHash('sha256').update(sealed).digest('hex');
  // Other arguments would be another call, at the price of the first: it is paid like one.
  return { round: state.round, paid: state.arguments === argumentsOf(message), onceId, onceUntil };
}

/** What a state is bound to: also the method, and the name in it. */
export function stateBound(
  located: Pick<Located, 'caller' | 'endpoint' | 'upstream'>,
  { method, params }: Pick<RequestMessage, 'method' | 'params'>,
): string[] {
  return [...boundTo(located), method, params.name ?? params.uri ?? ''];
}

/** Hash of the arguments' bytes. */
export function argumentsOf({ bytes, params }: RequestMessage): string {
  const span = params.arguments;
  return createHash('sha256')
    .update(span ? bytes.subarray(span.start, span.end) : '')
    .digest('base64url');
}

/** The same request with its spans spliced, scanned again (I4). */
export function edited(message: RequestMessage, edits: readonly Edit[], { policy }: Pick<Located, 'policy'>): RequestMessage {
  const { jsonDepthMax, jsonNodesMax } = policy.limits;
  // The upstream's own texts stand there again; whatever half characters it cut, it gets back.
  const scanned = scan(splice(message.bytes, edits), { depthMax: jsonDepthMax, nodesMax: jsonNodesMax, loneSurrogates: true });
  const forwarded = scanned.ok ? scanned.message : undefined;
  if (forwarded?.kind !== 'request' || forwarded.id !== message.id || forwarded.method !== message.method) {
    throw new Error('a request with its handles opened no longer scans');
  }
  const { name, uri } = message.params;
  if (forwarded.params.name !== name || forwarded.params.uri !== uri)
    throw new Error('a request with its handles opened names something else');
  return forwarded;
}
