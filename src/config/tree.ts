import { pathText } from './problems.ts';

/** Where something stands in the file: its path as written, and the offset of its name (of itself, in a list), in UTF-16 units. */
export interface Place {
  readonly path: string;
  readonly offset?: number;
}

export interface Leaf {
  readonly kind: 'leaf';
  readonly at: Place;
  readonly value: string | number | boolean | null;
  /** A problem here has been reported already; what follows from it is not worth another. */
  readonly broken?: true;
  /** Part of the text came from the environment or from a file. */
  readonly interpolated?: true;
}
export interface List {
  readonly kind: 'list';
  readonly at: Place;
  readonly items: readonly Tree[];
}
export interface Members {
  readonly kind: 'members';
  readonly at: Place;
  readonly members: ReadonlyMap<string, Tree>;
}
/** A parsed file. Every node knows its place, so that a later step can rearrange nodes (an imported client file) and still report where they were written. */
export type Tree = Leaf | List | Members;

/** The node at a path, or the deepest one above it that exists. */
export interface Found {
  /** The path as written; where the node is missing, the path it would have. */
  readonly place: Place;
  readonly node: Tree;
  readonly missing: boolean;
  /** The node, or one above it, has been reported. */
  readonly broken: boolean;
}

export function find(tree: Tree, path: readonly PropertyKey[]): Found {
  let node = tree;
  for (const [depth, segment] of path.entries()) {
    const next = child(node, segment);
    if (!next) {
      const at: Place = { ...node.at, path: pathText(path.slice(depth), node.at.path) };
      return { place: at, node, missing: true, broken: isBroken(node) };
    }
    node = next;
  }
  return { place: node.at, node, missing: false, broken: isBroken(node) };
}

export function child(node: Tree, segment: PropertyKey): Tree | undefined {
  if (node.kind === 'members') return node.members.get(String(segment));
  return node.kind === 'list' && typeof segment === 'number' ? node.items[segment] : undefined;
}

function isBroken(node: Tree): boolean {
  return node.kind === 'leaf' && node.broken === true;
}

/** The text of the leaf under a name, where there is one. */
export function leafText(tree: Tree, ...path: readonly (string | number)[]): string | undefined {
  const found = find(tree, path);
  return !found.missing && found.node.kind === 'leaf' && typeof found.node.value === 'string' ? found.node.value : undefined;
}

/** The same tree with some members of the root added or replaced. */
export function withMembers(tree: Members, added: ReadonlyMap<string, Tree>): Members {
  return { ...tree, members: new Map([...tree.members, ...added]) };
}

export function membersAt(at: Place, entries: Iterable<readonly [string, Tree]>): Members {
  return { kind: 'members', at, members: new Map(entries) };
}

export function leafAt(at: Place, value: string, broken = false): Leaf {
  return { kind: 'leaf', at, value, ...(broken && { broken }) };
}

/** Plain values without places. The parser has refused `__proto__`, so no assignment here can reach a prototype. */
export function toPlain(tree: Tree): unknown {
  if (tree.kind === 'leaf') return tree.value;
  if (tree.kind === 'list') return tree.items.map(toPlain);
  return Object.fromEntries([...tree.members].map(([name, member]) => [name, toPlain(member)]));
}
