import { cuts } from './cuts.ts';
import { JsonWalk } from './json-walk.ts';
import type { ResponseMessage, Span } from './message.ts';
import type { ListMember } from './method.ts';
import { splice } from './splice.ts';

/** One element of a list result. Members are present where they stand there as the right type. */
export interface ListedItem {
  readonly span: Span;
  readonly name?: string;
  /** The place of its text, quotes included. */
  readonly nameSpan?: Span;
  readonly uri?: string;
  readonly uriTemplate?: string;
  readonly uriSpan?: Span;
  readonly uriTemplateSpan?: Span;
  readonly annotations?: { readonly readOnlyHint?: boolean; readonly destructiveHint?: boolean };
}

export interface ListTerms {
  readonly message: ResponseMessage;
  readonly member: ListMember;
  readonly private?: { readonly ttlMsMax: number } | undefined;
}

/** A list as it was read; every place is one in the whole message. */
export interface ReadList {
  readonly elements: readonly ListedItem[];
  /** What narrows the caching members. */
  readonly caching: readonly Edit[];
}

interface FilterTerms extends ListTerms {
  readonly keep: (item: ListedItem) => boolean;
  readonly prefix?: string | undefined;
  readonly uriPrefix?: string | undefined;
  /** The same list, where it was read before. */
  readonly list?: ReadList;
}

export type Edit = { span: Span; text: string };
type Draft = { -readonly [member in keyof ListedItem]: ListedItem[member] };

/** The member by which rules know an element; an element without it cannot be judged. */
const nameOf = { tools: 'name', prompts: 'name', resources: 'uri', resourceTemplates: 'uriTemplate' } as const;

/** The text was scanned when the message was made: reading it again needs no limits. */
const unlimited = { depthMax: Number.POSITIVE_INFINITY, nodesMax: Number.POSITIVE_INFINITY };

/**
 * The response's bytes without the elements of `result.<member>` that `keep` refuses, or that have no name to judge
 * them by (fail closed). Every other byte stays: order, cursor, unknown fields, spelling of numbers. The same Buffer
 * when nothing is cut, or the member is absent. With `private` the caching members are narrowed as by makePrivate(); with
 * `prefix` (characters that need no escape) it is put before the name of every element that is kept, and `uriPrefix` before its URI or template.
 * Throws when the member is no array: the upstream's answer is no list.
 */
export function filterList(options: FilterTerms): Buffer {
  const { message, member, keep, prefix, uriPrefix } = options;
  const { elements, caching } = options.list ?? readList(options);
  const kept = elements.map((item) => item[nameOf[member]] !== undefined && keep(item));
  const all = [...cuts(elements, kept), ...caching];
  if (prefix !== undefined || uriPrefix !== undefined) {
    const shown = elements.filter((_item, at) => kept[at]);
    if (prefix !== undefined) all.push(...shown.flatMap(({ nameSpan }) => prefixing(nameSpan, prefix)));
    if (uriPrefix !== undefined && (member === 'resources' || member === 'resourceTemplates')) {
      all.push(...shown.flatMap((item) => [item.uriSpan, item.uriTemplateSpan].flatMap((span) => prefixing(span, uriPrefix))));
    }
  }
  return all.length === 0 ? message.bytes : splice(message.bytes, all);
}

/** What filterList() needs to know of a list, whoever asked for it. Empty where there is none. @throws Error where the member is no array */
export function readList({ message, member, private: narrowed }: ListTerms): ReadList {
  let elements: ListedItem[] = [];
  const caching: Edit[] = [];
  eachResultMember(message, (walk, name) => {
    if (name === member) elements = readElements(walk, member);
    else if (narrowed) caching.push(...cachingEdits(walk, name, narrowed.ttlMsMax));
    else walk.value();
  });
  return { elements, caching };
}

/**
 * The response's bytes with `result.cacheScope` "private" and `result.ttlMs` (milliseconds) at most `ttlMsMax`, where
 * they stand there (2026-07-28): what was made for one caller must not be kept for others. Nothing is added.
 */
export function makePrivate(options: { message: ResponseMessage; ttlMsMax: number }): Buffer {
  const { message, ttlMsMax } = options;
  const edits: Edit[] = [];
  eachResultMember(message, (walk, name) => edits.push(...cachingEdits(walk, name, ttlMsMax)));
  return edits.length === 0 ? message.bytes : splice(message.bytes, edits);
}

/** The elements that can be judged, in their order. Empty when the member is absent; throws when it is no array. */
export function listItems(message: ResponseMessage, member: ListMember): ListedItem[] {
  let items: ListedItem[] = [];
  eachResultMember(message, (walk, name) => {
    if (name === member) items = readElements(walk, member).filter((item) => item[nameOf[member]] !== undefined);
    else walk.value();
  });
  return items;
}

/** Where the elements of `result.<member>` stand, whatever they are. Empty when it is absent; throws when it is no array. */
export function elementSpans(message: ResponseMessage, member: string): Span[] {
  let spans: Span[] = [];
  eachResultMember(message, (walk, name) => {
    if (name === member) spans = readElements(walk, member).map(({ span }) => span);
    else walk.value();
  });
  return spans;
}

/** `result.nextCursor`, where it is a string. */
export function nextCursorOf(message: ResponseMessage): string | undefined {
  let cursor: string | undefined;
  eachResultMember(message, (walk, name) => {
    if (name === 'nextCursor') cursor = readText(walk);
    else walk.value();
  });
  return cursor;
}

/** `result.ttlMs`, where it is a number. */
export function ttlMsOf(message: ResponseMessage): number | undefined {
  let ttlMs: number | undefined;
  eachResultMember(message, (walk, name) => {
    const start = walk.at;
    const isNumber = walk.isNumber();
    walk.value();
    if (name === 'ttlMs' && isNumber) ttlMs = Number(walk.bytes.toString('latin1', start, walk.at));
  });
  return ttlMs;
}

/** Calls `read` for each member of an object result; it must read the value. */
function eachResultMember(message: ResponseMessage, read: (walk: JsonWalk, name: string) => void): void {
  if (message.outcome !== 'result') return;
  const walk = new JsonWalk({ bytes: message.bytes, limits: unlimited, at: message.body.start });
  eachMember(walk, (name) => read(walk, name));
}

function readElements(walk: JsonWalk, member: string): ListedItem[] {
  if (!walk.isArray()) throw new Error(`result.${member} is no array`);
  const elements: ListedItem[] = [];
  if (walk.openArray()) {
    do elements.push(readElement(walk));
    while (walk.moreElements());
  }
  return elements;
}

function readElement(walk: JsonWalk): ListedItem {
  const start = walk.at;
  const item: Draft = { span: { start, end: start } };
  eachMember(walk, (name) => {
    if (name === 'name' || name === 'uri' || name === 'uriTemplate') {
      const from = walk.at;
      const text = readText(walk);
      if (text !== undefined) item[name] = text;
      if (text !== undefined) item[`${name}Span`] = { start: from, end: walk.at };
    } else if (name === 'annotations') item.annotations = readAnnotations(walk);
    else walk.value();
  });
  item.span = { start, end: walk.at };
  return item;
}

function readAnnotations(walk: JsonWalk): { readOnlyHint?: boolean; destructiveHint?: boolean } {
  const annotations: { readOnlyHint?: boolean; destructiveHint?: boolean } = {};
  eachMember(walk, (name) => {
    if ((name === 'readOnlyHint' || name === 'destructiveHint') && (walk.isTrue() || walk.isFalse())) annotations[name] = walk.isTrue();
    walk.value();
  });
  return annotations;
}

/** Reads the value at hand; of an object, `read` gets each member's name and reads its value. */
function eachMember(walk: JsonWalk, read: (name: string) => void): void {
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do read(walk.name());
    while (walk.moreMembers());
  }
}

function readText(walk: JsonWalk): string | undefined {
  const isString = walk.isString();
  walk.value();
  return isString ? walk.text() : undefined;
}

/** The text's own bytes stay as they are spelled: only the prefix is put behind the first quote. */
function prefixing(span: Span | undefined, prefix: string): Edit[] {
  if (!span) return [];
  const inside = span.start + 1;
  return [{ span: { start: inside, end: inside }, text: prefix }];
}

/** Reads the value of one result member, and gives what must be changed in it. */
function cachingEdits(walk: JsonWalk, name: string, ttlMsMax: number): Edit[] {
  const start = walk.at;
  const isNumber = walk.isNumber();
  walk.value();
  if (name !== 'cacheScope' && name !== 'ttlMs') return [];
  const span = { start, end: walk.at };
  const text = walk.bytes.toString('utf8', span.start, span.end);
  if (name === 'cacheScope') return text === '"private"' ? [] : [{ span, text: '"private"' }];
  // What is no number is no bound either.
  return isNumber && Number(text) <= ttlMsMax ? [] : [{ span, text: String(ttlMsMax) }];
}
