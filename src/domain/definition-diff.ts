import { canonicalJson } from './canonical-json.ts';
import { type DefinitionPart, partOf } from './tool-definition.ts';

/** One place where two definitions differ. */
export interface DefinitionChange {
  /** JSON Pointer (RFC 6901). */
  readonly path: string;
  readonly part: DefinitionPart;
  /** Canonical JSON, cut where it is long; absent where nothing stood there, or stands there now. */
  readonly before?: string;
  readonly after?: string;
}

const changesMax = 100;
const valueCharsMax = 400;

/**
 * What changed from one definition to another, place by place.
 * @param before canonical JSON of an object, as is `after`
 * @returns the first places, in order, and whether there are more
 */
export function diffDefinitions(before: string, after: string): { changes: DefinitionChange[]; more: boolean } {
  const changes: DefinitionChange[] = [];
  const walk = (one: unknown, other: unknown, path: readonly string[]): void => {
    // One more than is shown, to know that there are more.
    if (changes.length > changesMax) return;
    if (isBranch(one) && isBranch(other) && Array.isArray(one) === Array.isArray(other)) {
      const [ones, others] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
      for (const name of new Set([...ones.keys(), ...others.keys()])) {
        if (ones.has(name) && others.has(name)) walk(ones.get(name), others.get(name), [...path, name]);
        else changes.push(changeOf([...path, name], { one: ones.get(name), other: others.get(name) }));
      }
      return;
    }
    if (canonicalJson(one) !== canonicalJson(other)) changes.push(changeOf(path, { one, other }));
  };
  walk(JSON.parse(before), JSON.parse(after), []);
  return { changes: changes.slice(0, changesMax), more: changes.length > changesMax };
}

function changeOf(path: readonly string[], { one, other }: { one: unknown; other: unknown }): DefinitionChange {
  const [first = '', second] = path;
  return {
    path: path.map((name) => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
    part: first === 'annotations' && second === 'title' ? 'wording' : partOf(first),
    ...(one !== undefined && { before: shown(one) }),
    ...(other !== undefined && { after: shown(other) }),
  };
}

function isBranch(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function shown(value: unknown): string {
  const text = canonicalJson(value);
  return text.length <= valueCharsMax ? text : `${text.slice(0, valueCharsMax)}…`;
}
