import { Denial } from '../domain/denial.ts';
import type { Edit } from '../domain/listing.ts';
import type { ResponseMessage, TaskMention } from '../domain/message.ts';
import { gateOf, takesRounds } from '../domain/method.ts';
import { ownState, stateBytesMax, stateEdit, stateText } from '../domain/round.ts';
import { splice } from '../domain/splice.ts';
import { argumentsOf, stateBound } from './open-request.ts';
import type { Ports } from './ports.ts';
import type { Admitted, ExpectedAnswer } from './reached.ts';
import { scanAnswer, trimAnswer } from './read-answer.ts';
import { sealTask } from './task-ids.ts';
import { ownTasksOnly, rememberTask } from './task-records.ts';

type ShowPorts = Pick<Ports, 'toolPins' | 'lists' | 'seal' | 'ledger' | 'clock' | 'log'>;

interface Answered {
  readonly asked: ExpectedAnswer;
  readonly message: ResponseMessage;
}

/**
 * The answer's bytes as this caller may see them: handles of the upstream's (task ids, the state of a call that needs input) sealed, and the rest
 * as trimAnswer() leaves it. A promise where the store has to remember something first, or be asked: so a client that has the answer may
 * go on at any replica. @throws Denial UPSTREAM_FAILED, or rejects with it
 */
export function showAnswer(ports: ShowPorts, admitted: Admitted, { asked, message }: Answered): Buffer | Promise<Buffer> {
  const { method } = asked;
  if (message.outcome === 'result' && gateOf(method, admitted.era)?.by === 'own-tasks') return ownTasksOnly(ports, admitted, message);
  const created = createdTask(asked, message);
  const sealed = sealHandles(ports, admitted, { asked, message }, created);
  const trimmed = trimAnswer(ports, admitted, { method, message: sealed });
  // Only 2025-11-25 has a list to show it in, and streams on which servers speak unasked.
  if (!created || admitted.era === 'stateless') return trimmed;
  return rememberTask(ports, admitted, { own: created.id, ttlMs: message.marks?.taskTtlMs }).then(() => trimmed);
}

/** The task that an upstream has made of the request: said at the top in the extension of 2026-07-28, and under `task` in 2025-11-25. */
function createdTask({ asksTask }: ExpectedAnswer, { marks }: ResponseMessage): TaskMention | undefined {
  if (marks?.resultType === 'task') return marks.taskId;
  return asksTask ? marks?.task : undefined;
}

function sealHandles(
  ports: ShowPorts,
  admitted: Admitted,
  { asked, message }: Answered,
  created: TaskMention | undefined,
): ResponseMessage {
  const { marks } = message;
  if (!marks) return message;
  const known = new Map(asked.tasks);
  const show = ({ id, span }: TaskMention): Edit => ({ span, text: JSON.stringify(known.get(id) ?? sealTask(ports, admitted, id)) });
  const edits: Edit[] = [];
  if (created) edits.push(show(created));
  else if (marks.taskId && gateOf(asked.method, admitted.era)?.by === 'task') {
    if (!known.has(marks.taskId.id)) throw new Denial('UPSTREAM_FAILED', { detail: 'The upstream answered about another task.' });
    edits.push(show(marks.taskId));
  }
  // An answer to this key's own request: whatever task it belongs to is this key's.
  if (marks.relatedTask) edits.push(show(marks.relatedTask));
  if (isInterim(admitted, { asked, message })) edits.push(sealedState(ports, admitted, message));
  if (edits.length === 0) return message;
  const sealed = scanAnswer(splice(message.bytes, edits));
  if (sealed?.kind !== 'response' || sealed.id !== message.id) throw new Error('an answer with its handles sealed no longer scans');
  return sealed;
}

function isInterim({ era, intent }: Admitted, { asked, message }: Answered): boolean {
  return era === 'stateless' && intent.kind === 'request' && takesRounds(asked.method) && message.marks?.resultType === 'input_required';
}

/** A state of this gateway's own, also where the upstream needs none: without one the next round could not be told from a new call. */
function sealedState(ports: ShowPorts, admitted: Admitted, message: ResponseMessage): Edit {
  const { intent } = admitted;
  if (intent.kind !== 'request') throw new Error('only a request has rounds');
  const own = ownState(message);
  if (own !== undefined && Buffer.byteLength(own) > stateBytesMax) {
    throw new Denial('UPSTREAM_FAILED', { detail: `The upstream's requestState is longer than ${stateBytesMax} bytes.` });
  }
  const facts = { round: (intent.retry?.round ?? 0) + 1, at: ports.clock.now(), arguments: argumentsOf(intent.message) };
  const plain = stateText({ ...facts, ...(own !== undefined && { own }) });
  return stateEdit(message, ports.seal.seal({ purpose: 'state', bound: stateBound(admitted, intent.message), plain }));
}
