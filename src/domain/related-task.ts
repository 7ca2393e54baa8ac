import type { JsonWalk } from './json-walk.ts';
import type { TaskMention } from './message.ts';

/** The member of `_meta` that says which task a message belongs to (2025-11-25, tasks). */
export const relatedTaskName = 'io.modelcontextprotocol/related-task';

/** Reads the value at hand; of an object, its `taskId` where that is a string. */
export function readRelatedTask(walk: JsonWalk): TaskMention | undefined {
  return readMention(walk, () => walk.value());
}

/** Reads the value at hand; of an object, its `taskId`. `other` reads the value of every other member. */
export function readMention(walk: JsonWalk, other: (name: string) => void): TaskMention | undefined {
  let mention: TaskMention | undefined;
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do {
      const name = walk.name();
      if (name === 'taskId') mention = readTaskId(walk);
      else other(name);
    } while (walk.moreMembers());
  }
  return mention;
}

/** The string at hand as a task's id, or undefined where something else stands; that is read too. */
export function readTaskId(walk: JsonWalk): TaskMention | undefined {
  const start = walk.at;
  const isString = walk.isString();
  walk.value();
  return isString ? { id: walk.text(), span: { start, end: walk.at } } : undefined;
}
