import type * as z from 'zod';
import { configJsonSchema } from './json-schema.ts';
import { notInBuild } from './not-in-build.ts';
import { closest, type Finding } from './problems.ts';
import { find, type Tree, toPlain } from './tree.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Turns what the schema objects to into findings in plain words, placed where it was written. Values are never quoted. */
export function findingsOf(issues: readonly Issue[], tree: Tree): Finding[] {
  return issues.flatMap((issue) => ofIssue(issue, issue.path, tree));
}

function ofIssue(issue: Issue, path: Path, tree: Tree): Finding[] {
  const found = find(tree, path);
  if (found.broken) return [];
  if (issue.code === 'unrecognized_keys') return ofUnknown(issue.keys, path, tree);
  if (issue.code === 'invalid_union' && !found.missing) {
    // The branch whose outer form fits is the one that was meant; where none or several fit, all are named.
    const meant = issue.errors.filter((branch) => !branch.some((inner) => inner.path.length === 0 && isOuter(inner)));
    const [only] = meant;
    if (only && meant.length === 1) return only.flatMap((inner) => ofIssue(inner, [...path, ...inner.path], tree));
  }
  const value = found.missing ? undefined : toPlain(found.node);
  const absent = notInBuild(path, value);
  if (absent !== undefined) return [{ ...found.place, message: 'has a value that is not supported', hint: absent }];
  if (found.missing && issue.code !== 'custom') return [{ ...found.place, message: 'is required', absent: true }];
  const hint = hintOf(issue, path, value);
  return [{ ...found.place, message: textOf(issue), ...(hint !== undefined && { hint }) }];
}

function isOuter(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

function ofUnknown(keys: readonly string[], path: Path, tree: Tree): Finding[] {
  const known = knownMembers(path);
  return keys.map((key): Finding => {
    const { place, node } = find(tree, [...path, key]);
    const absent = notInBuild([...path, key], toPlain(node));
    if (absent !== undefined) return { ...place, message: 'is not supported', hint: absent };
    const meant = closest(key, known);
    const hint =
      meant === undefined ? known.length > 0 && known.length <= 12 && `known here: ${known.join(', ')}` : `did you mean ${meant}?`;
    return { ...place, message: 'is not a known setting', ...(hint && { hint }) };
  });
}

/** The members that the written form has at a path, read from its JSON Schema. */
function knownMembers(path: Path): string[] {
  interface Node {
    properties?: Record<string, Node>;
    additionalProperties?: Node | boolean;
    items?: Node;
    anyOf?: Node[];
  }
  let nodes: Node[] = [configJsonSchema()];
  const spread = (node: Node): Node[] => [node, ...(node.anyOf ?? [])];
  for (const segment of path) {
    nodes = nodes.flatMap(spread).flatMap((node) => {
      const additional = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
      const next = typeof segment === 'number' ? node.items : (node.properties?.[String(segment)] ?? additional);
      return next ? [next] : [];
    });
  }
  return nodes.flatMap(spread).flatMap((node) => Object.keys(node.properties ?? {}).filter((name) => name !== '$schema'));
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'a mapping',
  record: 'a mapping',
  array: 'a list',
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};

function textOf(issue: Issue): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'too_small') return 'must not be empty';
  if (issue.code === 'too_big') return 'is too large';
  const wanted = wantedBy(issue);
  return wanted.length === 0 ? 'is not valid here' : `must be ${[...new Set(wanted)].join(' or ')}`;
}

function wantedBy(issue: Issue): string[] {
  if (issue.code === 'invalid_type') return [typeWords[issue.expected] ?? String(issue.expected)];
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union') return issue.errors.flatMap((branch) => branch.slice(0, 1).flatMap(wantedBy));
  return [];
}

/** What to write instead of a bare number, by member, or by member and the one above it. */
const numberHints: Readonly<Record<string, string>> = {
  price: 'write it in quotes, such as "0.002": numbers in YAML and JSON are rounded, money is not',
  mcp: 'write host:port, such as 127.0.0.1:8080',
  admin: 'write host:port, such as 127.0.0.1:8081',
  default: 'a whole number and a unit, such as 90d',
  max: 'a whole number and a unit, such as 365d',
  'price.max': 'write it in quotes, such as "0.10": numbers in YAML and JSON are rounded, money is not',
  retain: 'a whole number and a unit, such as 400d',
};

function hintOf(issue: Issue, path: Path, value: unknown): string | undefined {
  if (issue.code === 'custom') {
    const hint: unknown = issue.params?.hint;
    return typeof hint === 'string' ? hint : undefined;
  }
  if (value === null && path.length === 0) return 'the file is empty';
  if (value === null) return 'it is empty: give it a value or remove it';
  if (typeof value === 'number') {
    const known = numberHints[path.slice(-2).map(String).join('.')] ?? numberHints[String(path.at(-1))];
    // Of a union it is not known whether quotes would make the number right.
    if (isOuter(issue)) return known ?? 'write it in quotes';
    if (issue.code === 'invalid_union') return known;
  }
  return undefined;
}
