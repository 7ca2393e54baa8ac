import { cuts } from './cuts.ts';
import { JsonWalk } from './json-walk.ts';
import type { Edit } from './listing.ts';
import type { RequestMessage, Span } from './message.ts';

/** The filter stands in `params.notifications`, both where a client asks and where the server acknowledges. */
type Filtered = Pick<RequestMessage, 'bytes' | 'params'>;

/** Kinds of notifications that a client may ask for, by the member of the filter that asks for them (2026-07-28, subscriptions). */
export const listChangeKinds = {
  toolsListChanged: 'notifications/tools/list_changed',
  resourcesListChanged: 'notifications/resources/list_changed',
  promptsListChanged: 'notifications/prompts/list_changed',
} as const;

export interface ListedText {
  readonly text: string;
  /** The place of the text, quotes included. */
  readonly span: Span;
}

/** What a client wants to hear of: the filter of `subscriptions/listen`. */
export interface SubscriptionFilter {
  /** Methods of the changes of lists that are asked for. */
  readonly listChanges: ReadonlySet<string>;
  readonly uris: readonly ListedText[];
  readonly taskIds: readonly ListedText[];
}

interface Member {
  readonly span: Span;
  readonly known: boolean;
}

interface Element {
  readonly span: Span;
  readonly text: string | undefined;
}

interface FilterRead {
  readonly members: Member[];
  readonly listChanges: Set<string>;
  readonly uris: Element[];
  readonly taskIds: Element[];
}

/** The text was scanned when the message was made: reading it again needs no limits. */
const unlimited = { depthMax: Number.POSITIVE_INFINITY, nodesMax: Number.POSITIVE_INFINITY };

/** Kinds that this gateway cannot judge, and elements that are no texts, are not among them. */
export function readSubscriptions(message: Filtered): SubscriptionFilter {
  const { listChanges, uris, taskIds } = readFilter(message);
  return { listChanges, uris: uris.flatMap(asText), taskIds: taskIds.flatMap(asText) };
}

/**
 * The edits that leave of the filter what may be heard of: kinds that cannot be judged are cut off, and so are the elements for which `uri` and
 * `task` give nothing. They give the text by which the other side knows the resource or the task.
 */
export function narrowingEdits(
  message: Filtered,
  { uri, task }: { uri: (uri: string) => string | undefined; task: (id: string) => string | undefined },
): Edit[] {
  const { members, uris, taskIds } = readFilter(message);
  const edits = cuts(
    members,
    members.map(({ known }) => known),
  );
  return [...edits, ...renaming(uris, uri), ...renaming(taskIds, task)];
}

function renaming(elements: readonly Element[], rename: (text: string) => string | undefined): Edit[] {
  const renamed = elements.map(({ text }) => (text === undefined ? undefined : rename(text)));
  const cut = cuts(
    elements,
    renamed.map((text) => text !== undefined),
  );
  const written = elements.flatMap(({ span, text }, at) => {
    const other = renamed[at];
    return other === undefined || other === text ? [] : [{ span, text: JSON.stringify(other) }];
  });
  return [...cut, ...written];
}

function asText({ span, text }: Element): ListedText[] {
  return text === undefined ? [] : [{ span, text }];
}

function readFilter({ bytes, params }: Filtered): FilterRead {
  const read: FilterRead = { members: [], listChanges: new Set(), uris: [], taskIds: [] };
  if (!params.notifications) return read;
  const walk = new JsonWalk({ bytes, limits: unlimited, at: params.notifications.start });
  if (!walk.openObject()) return read;
  do {
    const start = walk.at;
    const known = readMember(walk, walk.name(), read);
    read.members.push({ span: { start, end: walk.at }, known });
  } while (walk.moreMembers());
  return read;
}

/** Reads the member's value; false where it is not one that can be judged. */
function readMember(walk: JsonWalk, name: string, read: FilterRead): boolean {
  if (Object.hasOwn(listChangeKinds, name)) {
    if (walk.isTrue()) read.listChanges.add(listChangeKinds[name as keyof typeof listChangeKinds]);
    walk.value();
    return true;
  }
  const elements = name === 'resourceSubscriptions' ? read.uris : name === 'taskIds' ? read.taskIds : undefined;
  if (!elements || !walk.isArray()) {
    walk.value();
    return false;
  }
  if (walk.openArray()) {
    do {
      const start = walk.at;
      const isString = walk.isString();
      walk.value();
      elements.push({ span: { start, end: walk.at }, text: isString ? walk.text() : undefined });
    } while (walk.moreElements());
  }
  return true;
}
