import { cuts } from './cuts.ts';
import { JsonWalk } from './json-walk.ts';
import type { ResponseMessage, Span, TaskMention } from './message.ts';
import { readMention } from './related-task.ts';
import { splice } from './splice.ts';

/** One element of `result.tasks` (2025-11-25, tasks/list); `task` is absent where it has no id. */
export interface ListedTask {
  readonly span: Span;
  readonly task?: TaskMention;
}

/** The text was scanned when the message was made: reading it again needs no limits. */
const unlimited = { depthMax: Number.POSITIVE_INFINITY, nodesMax: Number.POSITIVE_INFINITY, loneSurrogates: true };

/** The elements in their order, or undefined where the result holds no list of tasks. */
export function listedTasks({ bytes, body, outcome }: ResponseMessage): ListedTask[] | undefined {
  let listed: ListedTask[] | undefined;
  const walk = new JsonWalk({ bytes, limits: unlimited, at: body.start });
  if (outcome !== 'result' || !walk.isObject() || !walk.openObject()) return undefined;
  do {
    if (walk.name() === 'tasks' && walk.isArray()) listed = readElements(walk);
    else walk.value();
  } while (walk.moreMembers());
  return listed;
}

/** The answer's bytes with the ids of `shown`, and without the tasks that have none there. Every other byte stays. */
export function showTasks(message: ResponseMessage, listed: readonly ListedTask[], shown: readonly (string | undefined)[]): Buffer {
  const kept = listed.map(({ task }, at) => task !== undefined && shown[at] !== undefined);
  const ids = listed.flatMap(({ task }, at) => (task && kept[at] ? [{ span: task.span, text: JSON.stringify(shown[at]) }] : []));
  return splice(message.bytes, [...cuts(listed, kept), ...ids]);
}

function readElements(walk: JsonWalk): ListedTask[] {
  const elements: ListedTask[] = [];
  if (!walk.openArray()) return elements;
  do {
    const start = walk.at;
    const task = readMention(walk, () => walk.value());
    elements.push({ span: { start, end: walk.at }, ...(task && { task }) });
  } while (walk.moreElements());
  return elements;
}
