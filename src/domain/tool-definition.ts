import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical-json.ts';
import { hasSoundParamHeaders } from './param-header-faults.ts';

/**
 * What a tool's definition is made of. `schema`: its name and what goes in and comes out. `wording`: title, description and icons.
 * `annotations`: everything else that it says of itself, members that nobody knows yet included.
 */
export type DefinitionPart = 'schema' | 'annotations' | 'wording';
const definitionParts: readonly DefinitionPart[] = ['schema', 'annotations', 'wording'];

/** A definition by its hashes: SHA-256, hex, over canonical JSON, so that the order of members means nothing. */
export interface Definition {
  readonly whole: string;
  readonly parts: Readonly<Record<DefinitionPart, string>>;
  /** Its canonical JSON. Absent where it is longer than `keptBytesMax`, or was not read along. */
  readonly text?: string;
}

/** Why a definition cannot be used as it is listed. */
export type DefinitionFault = 'duplicate' | 'param-header' | 'too-large';

/** A tool as an upstream listed it. */
export interface Sighting {
  readonly definition: Definition;
  readonly fault?: DefinitionFault;
}

/** A definition beyond these is hashed as it stands, and not looked into. */
const definitionBytesMax = 256 * 1024;
const definitionDepthMax = 64;
/** The longest text that is kept for a diff. */
const keptBytesMax = 32 * 1024;

/**
 * Reads one element of a tools list.
 * @param bytes JSON text of an object, scanned before: no name stands twice in it
 */
export function readSighting(bytes: Buffer): Sighting {
  const tool = bytes.length > definitionBytesMax ? undefined : (JSON.parse(bytes.toString('utf8')) as object);
  if (tool === undefined || !isShallow(tool, definitionDepthMax)) return { definition: unread(bytes), fault: 'too-large' };
  const compared = comparable(tool);
  const text = canonicalJson(compared);
  const definition = {
    whole: hexOf(text),
    parts: partsOf(compared),
    ...(Buffer.byteLength(text) <= keptBytesMax && { text }),
  };
  const schema = Object.entries(tool).find(([name]) => name === 'inputSchema')?.[1];
  return hasSoundParamHeaders(schema) ? { definition } : { definition, fault: 'param-header' };
}

/** Which parts of two definitions differ. */
export function changedParts(before: Definition, after: Definition): DefinitionPart[] {
  return definitionParts.filter((part) => before.parts[part] !== after.parts[part]);
}

/** The part that a top-level member belongs to; `annotations.title` is wording too, and is taken out of the others. */
export function partOf(member: string): DefinitionPart {
  if (member === 'name' || member === 'inputSchema' || member === 'outputSchema') return 'schema';
  return member === 'title' || member === 'description' || member === 'icons' ? 'wording' : 'annotations';
}

/**
 * A server that speaks both eras lists `execution.taskSupport` in one of them only: 2026-07-28 took the member out of the definition. It says how a
 * tool is called and nothing of what it does.
 */
function comparable(tool: object): object {
  const execution = Object.entries(tool).find(([name]) => name === 'execution')?.[1];
  if (typeof execution !== 'object' || execution === null || Array.isArray(execution)) return tool;
  const rest = Object.entries(execution).filter(([name]) => name !== 'taskSupport');
  const others = Object.entries(tool).filter(([name]) => name !== 'execution');
  // fromEntries defines members, so one called __proto__ stays one (A02).
  return Object.fromEntries(rest.length === 0 ? others : [...others, ['execution', Object.fromEntries(rest)]]);
}

function partsOf(tool: object): Record<DefinitionPart, string> {
  // Lists of pairs, because a member may be called __proto__ (A02).
  const members: Record<DefinitionPart, [string, unknown][]> = { schema: [], annotations: [], wording: [] };
  for (const [name, value] of Object.entries(tool)) {
    if (name !== 'annotations' || typeof value !== 'object' || value === null || Array.isArray(value)) {
      members[partOf(name)].push([name, value]);
      continue;
    }
    const hints = Object.entries(value);
    members.annotations.push([name, hints.filter(([hint]) => hint !== 'title').sort(byName)]);
    members.wording.push(...hints.filter(([hint]) => hint === 'title').map(([, title]): [string, unknown] => ['annotations/title', title]));
  }
  const hash = (part: DefinitionPart): string => hexOf(canonicalJson(members[part].sort(byName)));
  return { schema: hash('schema'), annotations: hash('annotations'), wording: hash('wording') };
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

function unread(bytes: Buffer): Definition {
  const whole = hexOf(bytes);
  return { whole, parts: { schema: whole, annotations: whole, wording: whole } };
}

function isShallow(value: unknown, depthMax: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depthMax > 0 && Object.values(value).every((member) => isShallow(member, depthMax - 1));
}

function hexOf(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex');
}
