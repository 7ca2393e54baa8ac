import type { JsonWalk } from './json-walk.ts';
import type { Deciding, Span } from './message.ts';
import { readId } from './message-id.ts';
import { readRelatedTask, relatedTaskName } from './related-task.ts';

type Draft = { -readonly [member in keyof Deciding]: Deciding[member] };

/** What stood in `params`: the deciding members, and the names of those that stood there as something else. */
export interface ParamsRead {
  readonly deciding: Draft;
  readonly wrong: string[];
}

/** Names that decide, by their folded form: a reader that ignores case would take a variant for the name itself. */
const paramNames = foldedNames([
  'name',
  'uri',
  'ref',
  'taskId',
  'task',
  'arguments',
  'requestId',
  'protocolVersion',
  'requestState',
  'notifications',
  'cursor',
  '_meta',
  'progressToken',
]);
const refNames = foldedNames(['type', 'name', 'uri']);
const metaVersion = 'io.modelcontextprotocol/protocolVersion';
const metaCapabilities = 'io.modelcontextprotocol/clientCapabilities';
const metaNames = foldedNames([metaVersion, metaCapabilities, relatedTaskName]);

/** Reads the object at hand as `params`. Which members a method needs is judged afterwards: the method may follow. */
export function readParams(walk: JsonWalk): ParamsRead {
  const read: ParamsRead = { deciding: {}, wrong: [] };
  if (!walk.openObject()) return read;
  do readMember(walk, read);
  while (walk.moreMembers());
  return read;
}

function readMember(walk: JsonWalk, read: ParamsRead): void {
  const { deciding, wrong } = read;
  const at = walk.at;
  const name = walk.name();
  switch (name) {
    case 'name':
    case 'uri':
    case 'cursor':
    case 'taskId':
    case 'protocolVersion': {
      const start = walk.at;
      const text = readText(walk);
      if (text === undefined) wrong.push(name);
      else deciding[name] = text;
      if (text === undefined) return;
      const span = { start, end: walk.at };
      if (name === 'name') deciding.nameSpan = span;
      if (name === 'uri') deciding.uriSpan = span;
      if (name === 'taskId') deciding.taskIdSpan = span;
      if (name === 'cursor') deciding.cursorSpan = span;
      return;
    }
    case 'arguments':
    case 'notifications':
    case 'requestState': {
      const start = walk.at;
      const fits = name === 'requestState' ? walk.isString() : walk.isObject();
      walk.value();
      if (fits) deciding[name] = { start, end: walk.at };
      else wrong.push(name);
      if (fits && name === 'requestState') deciding.requestStateMember = { start: at, end: walk.at };
      return;
    }
    case 'task':
      if (walk.isObject()) deciding.task = true;
      else wrong.push(name);
      walk.value();
      return;
    case 'requestId': {
      const start = walk.at;
      const id = readId(walk);
      if (id === undefined) wrong.push(name);
      else deciding.cancels = { id, span: { start, end: walk.at } };
      return;
    }
    case 'ref':
      readRef(walk, read);
      return;
    case '_meta':
      readMeta(walk, deciding);
      return;
    default:
      refuseVariant(walk, { at, name, among: paramNames });
      walk.value();
  }
}

function readRef(walk: JsonWalk, read: ParamsRead): void {
  if (!walk.isObject()) {
    read.wrong.push('ref');
    walk.value();
    return;
  }
  const ref: { type?: string; name?: string; nameSpan?: Span; uri?: string; uriSpan?: Span } = {};
  if (walk.openObject()) {
    do {
      const at = walk.at;
      const name = walk.name();
      if (name === 'type' || name === 'name' || name === 'uri') {
        const start = walk.at;
        const text = readText(walk);
        if (text === undefined) read.wrong.push(`ref.${name}`);
        else ref[name] = text;
        if (name === 'name' && text !== undefined) ref.nameSpan = { start, end: walk.at };
        if (name === 'uri' && text !== undefined) ref.uriSpan = { start, end: walk.at };
      } else {
        refuseVariant(walk, { at, name, among: refNames });
        walk.value();
      }
    } while (walk.moreMembers());
  }
  if (ref.type === undefined) read.wrong.push('ref.type');
  else read.deciding.ref = { ...ref, type: ref.type };
}

function readMeta(walk: JsonWalk, deciding: Draft): void {
  if (!walk.isObject()) {
    walk.value();
    return;
  }
  if (!walk.openObject()) return;
  do {
    const at = walk.at;
    const name = walk.name();
    if (name === metaVersion) {
      const text = readText(walk);
      if (text !== undefined) deciding.metaProtocolVersion = text;
    } else if (name === relatedTaskName) {
      const related = readRelatedTask(walk);
      if (related) deciding.relatedTask = related;
    } else {
      if (name !== metaCapabilities) refuseVariant(walk, { at, name, among: metaNames });
      else if (walk.isObject()) deciding.metaClientCapabilities = true;
      walk.value();
    }
  } while (walk.moreMembers());
}

/** The string at hand, or undefined where something else stands; that is read too. */
function readText(walk: JsonWalk): string | undefined {
  if (walk.isString()) {
    walk.string();
    return walk.text();
  }
  walk.value();
  return undefined;
}

interface FoldedNames {
  /** The exact name by its folded form. */
  readonly exact: ReadonlyMap<string, string>;
  /** Folding keeps the length, so most names are known as different by theirs. */
  readonly lengths: ReadonlySet<number>;
}

function refuseVariant(walk: JsonWalk, member: { at: number; name: string; among: FoldedNames }): void {
  const { at, name, among } = member;
  if (!among.lengths.has(name.length)) return;
  const exact = among.exact.get(fold(name));
  if (exact !== undefined && exact !== name) walk.offend(`A deciding member's name is spelled in another case at byte ${at}.`);
}

/**
 * The name as readers that ignore case may see it. Go folds the long s and the Kelvin sign into s and k (toLowerCase
 * does the latter); Java's equalsIgnoreCase also takes the dotless and the dotted i for i.
 */
export function fold(name: string): string {
  return name
    .replaceAll(/[\u0130\u0131]/g, 'i')
    .replaceAll('\u017f', 's')
    .toLowerCase();
}

function foldedNames(names: readonly string[]): FoldedNames {
  return { exact: new Map(names.map((name) => [fold(name), name])), lengths: new Set(names.map((name) => name.length)) };
}
