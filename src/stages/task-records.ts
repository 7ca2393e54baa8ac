import { Denial } from '../domain/denial.ts';
import type { ResponseMessage } from '../domain/message.ts';
import { listedTasks, showTasks } from '../domain/task-list.ts';
import { failClosed } from './fail-closed.ts';
import type { Ports } from './ports.ts';
import type { Admitted } from './reached.ts';
import { sealTask, taskMark } from './task-ids.ts';

type RecordPorts = Pick<Ports, 'ledger' | 'log' | 'clock' | 'seal'>;

/** Tasks of one page of tasks/list that are looked up. */
const listedTasksMax = 1_000;
const hourMs = 3_600_000;
/** How long a task is remembered at least, whatever little time its upstream gives it: an upstream may prolong that. */
const recordMsMin = 24 * hourMs;
/** And at most, also where its upstream keeps it for ever. */
const recordMsMax = 30 * 24 * hourMs;

/**
 * Remembers in the store that this key created the task, so that every replica knows it for the key's own where an upstream only names it: in
 * tasks/list and in what it sends unasked. Never rejects: a task that is not remembered is not shown there, and nothing else is lost.
 */
export async function rememberTask(ports: RecordPorts, admitted: Admitted, { own, ttlMs }: { own: string; ttlMs: number | undefined }) {
  const keptMs = Math.min(Math.max(ttlMs ?? recordMsMax, recordMsMin), recordMsMax);
  const mark = { id: taskMark(admitted, own), until: ports.clock.now() + keptMs };
  try {
    await failClosed(ports.ledger.useOnce(mark));
  } catch (error) {
    ports.log.fault('a task could not be remembered; it will not be listed', error, { requestId: admitted.requestId });
  }
}

/** Which of the tasks this key has created. Fails closed: of what cannot be looked up nothing is shown. */
export async function areOwn(ports: RecordPorts, admitted: Admitted, own: readonly string[]): Promise<readonly boolean[]> {
  try {
    return await failClosed(ports.ledger.remembers(own.map((id) => taskMark(admitted, id))));
  } catch (error) {
    ports.log.fault('tasks could not be looked up', error, { requestId: admitted.requestId });
    return own.map(() => false);
  }
}

/** The answer to tasks/list with this key's own tasks alone, under the ids it knows. @throws Denial UPSTREAM_FAILED where it holds no list */
export async function ownTasksOnly(ports: RecordPorts, admitted: Admitted, message: ResponseMessage): Promise<Buffer> {
  const listed = listedTasks(message);
  if (!listed) throw new Denial('UPSTREAM_FAILED', { detail: "The upstream's tasks are no list." });
  if (listed.length > listedTasksMax) {
    throw new Denial('UPSTREAM_FAILED', { detail: `The upstream listed more than ${listedTasksMax} tasks at once.` });
  }
  const ids = listed.map(({ task }) => task?.id);
  const own = await areOwn(
    ports,
    admitted,
    ids.map((id) => id ?? ''),
  );
  const shown = ids.map((id, at) => (id !== undefined && own[at] ? sealTask(ports, admitted, id) : undefined));
  return showTasks(message, listed, shown);
}
