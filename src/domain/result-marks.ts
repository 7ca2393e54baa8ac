import type { JsonWalk } from './json-walk.ts';
import type { ResultMarks } from './message.ts';
import { readMention, readRelatedTask, readTaskId, relatedTaskName } from './related-task.ts';

type Draft = { -readonly [member in keyof ResultMarks]: ResultMarks[member] };

/** What a `result` says of itself. */
export interface ResultRead {
  /** True where `result.isError` is. */
  readonly isError?: true;
  readonly marks?: ResultMarks;
}

/** Reads the value at hand as a `result`, in the one pass that the scan makes. */
export function readResult(walk: JsonWalk): ResultRead {
  const draft: Draft = {};
  let isError = false;
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do {
      const name = walk.name();
      if (name === 'isError') {
        isError = walk.isTrue();
        walk.value();
      } else readMark(walk, name, draft);
    } while (walk.moreMembers());
  }
  const marked = Object.keys(draft).length > 0;
  return { ...(isError && { isError }), ...(marked && { marks: draft }) };
}

function readMark(walk: JsonWalk, name: string, draft: Draft): void {
  switch (name) {
    case 'resultType':
    case 'requestState': {
      const start = walk.at;
      const isString = walk.isString();
      walk.value();
      if (isString && name === 'resultType') draft.resultType = walk.text();
      else if (isString) draft.requestState = { start, end: walk.at };
      return;
    }
    case 'taskId':
      keep(draft, 'taskId', readTaskId(walk));
      return;
    case 'task':
      keep(
        draft,
        'task',
        readMention(walk, (member) => {
          const isTtl = member === 'ttl' && walk.isNumber();
          const start = walk.at;
          walk.value();
          if (isTtl) draft.taskTtlMs = Number(walk.bytes.toString('latin1', start, walk.at));
        }),
      );
      return;
    case '_meta':
      readMeta(walk, draft);
      return;
    default:
      walk.value();
  }
}

function readMeta(walk: JsonWalk, draft: Draft): void {
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do {
      if (walk.name() === relatedTaskName) keep(draft, 'relatedTask', readRelatedTask(walk));
      else walk.value();
    } while (walk.moreMembers());
  }
}

function keep(draft: Draft, name: 'taskId' | 'task' | 'relatedTask', mention: ResultMarks['task']): void {
  if (mention) draft[name] = mention;
}
