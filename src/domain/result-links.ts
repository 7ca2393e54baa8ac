import { JsonWalk } from './json-walk.ts';
import type { ResponseMessage, Span } from './message.ts';
import { splice } from './splice.ts';

/** The text was scanned when the message was made: reading it again needs no limits. */
const unlimited = { depthMax: Number.POSITIVE_INFINITY, nodesMax: Number.POSITIVE_INFINITY };

/**
 * The response's bytes with the prefix (characters that need no escape) before every URI by which a client may read on: `contents[].uri` of
 * resources/read, and the embedded resources and resource links in what tools and prompts give back (MCP, ContentBlock). Every other byte
 * stays; the same Buffer where there is none.
 */
export function prefixLinks({ message, prefix }: { message: ResponseMessage; prefix: string }): Buffer {
  if (message.outcome !== 'result') return message.bytes;
  const links: Span[] = [];
  const walk = new JsonWalk({ bytes: message.bytes, limits: unlimited, at: message.body.start });
  eachMember(walk, (name) => {
    if (name === 'contents') eachElement(walk, () => links.push(...resourceLinks(walk)));
    else if (name === 'content') eachElement(walk, () => links.push(...blockLinks(walk)));
    else if (name === 'messages') eachElement(walk, () => links.push(...messageLinks(walk)));
    else walk.value();
  });
  if (links.length === 0) return message.bytes;
  return splice(
    message.bytes,
    links.map(({ start }) => ({ span: { start: start + 1, end: start + 1 }, text: prefix })),
  );
}

function resourceLinks(walk: JsonWalk): Span[] {
  const links: Span[] = [];
  eachMember(walk, (name) => {
    const start = walk.at;
    const isText = walk.isString();
    walk.value();
    if (name === 'uri' && isText) links.push({ start, end: walk.at });
  });
  return links;
}

function blockLinks(walk: JsonWalk): Span[] {
  let type: string | undefined;
  const own: Span[] = [];
  const embedded: Span[] = [];
  eachMember(walk, (name) => {
    if (name === 'resource') return void embedded.push(...resourceLinks(walk));
    const start = walk.at;
    const isText = walk.isString();
    walk.value();
    if (!isText) return;
    if (name === 'type') type = walk.text();
    if (name === 'uri') own.push({ start, end: walk.at });
  });
  if (type === 'resource') return embedded;
  return type === 'resource_link' ? own : [];
}

function messageLinks(walk: JsonWalk): Span[] {
  const links: Span[] = [];
  eachMember(walk, (name) => {
    if (name === 'content') links.push(...blockLinks(walk));
    else walk.value();
  });
  return links;
}

/** Reads the value at hand; of an array, `read` reads each element. */
function eachElement(walk: JsonWalk, read: () => void): void {
  if (!walk.isArray()) walk.value();
  else if (walk.openArray()) {
    do read();
    while (walk.moreElements());
  }
}

/** Reads the value at hand; of an object, `read` gets each member's name and reads its value. */
function eachMember(walk: JsonWalk, read: (name: string) => void): void {
  if (!walk.isObject()) walk.value();
  else if (walk.openObject()) {
    do read(walk.name());
    while (walk.moreMembers());
  }
}
