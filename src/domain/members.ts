import { JsonWalk } from './json-walk.ts';
import type { Message, Span } from './message.ts';

/** One member of an object in a text: from the first byte of its name to the last of its value, and the value alone. */
export interface Member {
  readonly name: string;
  readonly span: Span;
  readonly value: Span;
}

/** The text was scanned when the message was made: reading it again needs no limits. */
const unlimited = { depthMax: Number.POSITIVE_INFINITY, nodesMax: Number.POSITIVE_INFINITY, loneSurrogates: true } as const;

/** The members of the object whose text begins at `at`, in their order; undefined where something else stands there. */
export function membersAt(bytes: Buffer, at: number): readonly Member[] | undefined {
  const walk = new JsonWalk({ bytes, limits: unlimited, at });
  if (!walk.isObject()) return undefined;
  const members: Member[] = [];
  if (walk.openObject()) {
    do {
      const start = walk.at;
      const name = walk.name();
      const from = walk.at;
      walk.value();
      members.push({ name, span: { start, end: walk.at }, value: { start: from, end: walk.at } });
    } while (walk.moreMembers());
  }
  return members;
}

/** The member that a path of names leads to from the top of a scanned message. */
export function memberOf({ bytes }: Pick<Message, 'bytes'>, ...path: readonly string[]): Member | undefined {
  let at = 0;
  let found: Member | undefined;
  for (const name of path) {
    found = membersAt(bytes, at)?.find((member) => member.name === name);
    if (!found) return undefined;
    at = found.value.start;
  }
  return found;
}

/** The value's text, as it is spelled. */
export function textOf(bytes: Buffer, { value }: Member): string {
  return bytes.toString('utf8', value.start, value.end);
}

/** The value where it is a string. */
export function stringOf(bytes: Buffer, member: Member | undefined): string | undefined {
  if (!member || bytes[member.value.start] !== 0x22) return undefined;
  return JSON.parse(textOf(bytes, member)) as string;
}

/** The text of an object made of members as they are spelled elsewhere, and of others spelled here (`"name":value`). */
export function objectText(bytes: Buffer, kept: readonly Member[], added: readonly string[] = []): string {
  return `{${[...added, ...kept.map(({ span }) => bytes.toString('utf8', span.start, span.end))].join(',')}}`;
}
