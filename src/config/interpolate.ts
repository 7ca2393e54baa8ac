import { resolve } from 'node:path';
import type { Finding, Reading } from './problems.ts';
import { readText } from './read-file.ts';
import type { Fetched } from './secret-source.ts';
import type { Leaf, Tree } from './tree.ts';

const secretBytesMax = 64 * 1024;

/** Where values come from, and a memory of which files were asked for. */
export interface Sources {
  readonly env: Record<string, string | undefined>;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Absolute paths of all `${file:}` asked for, existing or not; filled in here. */
  readonly files: Set<string>;
  /** Where `${aws:}` and `${vault:}` come from; without it they are problems. */
  readonly secrets?: Fetched;
}

/** `$${`, or a reference with its text and its closing brace. */
const references = /\$\$\{|\$\{([^}]*)(\})?/g;

/**
 * Replaces `${X}`, `${env:X}`, either with `:-default`, `${file:/path}`, `${aws:…}` and `${vault:…}` in string values. It works on the parsed tree, so that a line
 * break or a colon in a variable never becomes structure, and it replaces once: a value that comes in is not expanded again. `$${` stands for
 * `${`. Whatever cannot be replaced is a finding, and its leaf is marked broken.
 */
export async function interpolate(tree: Tree, sources: Sources): Promise<{ tree: Tree; findings: Finding[] }> {
  const findings: Finding[] = [];
  // Secrets from elsewhere are fetched side by side: a value that is visited late has not waited for the ones before it.
  for (const reference of referencesIn(tree)) void sources.secrets?.resolve(reference);
  const visit = async (node: Tree): Promise<Tree> => {
    if (node.kind === 'leaf') return leaf(node, sources, findings);
    if (node.kind === 'list') {
      const items: Tree[] = [];
      for (const item of node.items) items.push(await visit(item));
      return { ...node, items };
    }
    const members = new Map<string, Tree>();
    for (const [name, member] of node.members) members.set(name, await visit(member));
    return { ...node, members };
  };
  return { tree: await visit(tree), findings };
}

function* referencesIn(node: Tree): Generator<string> {
  if (node.kind === 'leaf') {
    if (typeof node.value !== 'string') return;
    for (const match of node.value.matchAll(references)) if (match[2] !== undefined) yield match[1] ?? '';
  } else for (const inner of node.kind === 'list' ? node.items : node.members.values()) yield* referencesIn(inner);
}

async function leaf(node: Leaf, sources: Sources, findings: Finding[]): Promise<Leaf> {
  if (typeof node.value !== 'string' || !node.value.includes('${')) return node;
  const text = node.value;
  let out = '';
  let from = 0;
  let broken = false;
  for (const match of text.matchAll(references)) {
    out += text.slice(from, match.index);
    from = match.index + match[0].length;
    if (match[0] === '$${') {
      out += '${';
      continue;
    }
    const reading =
      match[2] === undefined
        ? { message: 'has a ${ without its }', hint: 'write $${ for a plain ${' }
        : await resolveReference(match[1] ?? '', sources);
    if ('value' in reading) out += reading.value;
    else {
      broken = true;
      findings.push({ ...node.at, ...reading, ...hintFor(node.at.path, reading) });
    }
  }
  return { ...node, value: out + text.slice(from), interpolated: true, ...(broken && { broken }) };
}

/** The text between `${` and `}`, to the value it stands for. */
async function resolveReference(reference: string, sources: Sources): Promise<Reading<string>> {
  if (reference.startsWith('file:')) return readSecretFile(reference.slice('file:'.length), sources);
  const elsewhere = /^(aws|vault):/.exec(reference)?.[1];
  if (elsewhere !== undefined) {
    return (await sources.secrets?.resolve(reference)) ?? { message: `asks for a secret of ${elsewhere}, which is not possible here` };
  }
  if (reference.startsWith('input:')) {
    return { message: 'asks the client for an ${input:…}, which a gateway cannot do', hint: 'use ${env:NAME} or ${file:/path} instead' };
  }
  const match = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/.exec(reference);
  if (reference.includes('${')) return { message: 'has one ${…} inside another, which is not supported' };
  if (!match)
    return {
      message: 'has a ${…} that is none of ${NAME}, ${NAME:-default}, ${env:NAME}, ${file:/path}, ${aws:id#member}, ${vault:path#member}',
      hint: 'write $${ for a plain ${',
    };
  const name = match[1] ?? '';
  const found = Object.hasOwn(sources.env, name) ? sources.env[name] : undefined;
  if (found !== undefined && found !== '') return { value: found };
  if (match[2] !== undefined) return { value: match[2] };
  return {
    message: `needs the environment variable ${name}, which is ${found === '' ? 'empty' : 'not set'}`,
    hint: `set ${name}, or write \${${name}:-default}`,
  };
}

/** The text of a secret's file, without one line break at its end. The path is recorded even where the file does not exist, so that its appearance is seen. */
export async function readSecretFile(path: string, sources: Sources): Promise<Reading<string>> {
  if (path === '' || path.includes('\0')) return { message: 'has a ${file:} without a path' };
  const absolute = resolve(sources.cwd, path);
  sources.files.add(absolute);
  const reading = await readText(absolute, secretBytesMax);
  if (!('value' in reading)) return { ...reading, message: `needs the file ${printable(absolute)}, which ${reading.message}` };
  const value = reading.value.replace(/\r?\n$/, '');
  return value === '' ? { message: `needs the file ${printable(absolute)}, which is empty` } : { value };
}

/** A missing key file is what every first start meets. */
export function hintFor(path: string, reading: { message: string; hint?: string }): { hint?: string } {
  const own = /^keys\.(?:pepper|seal|signing)\b/.test(path) && /which (?:does not exist|is empty)$/.test(reading.message);
  if (own) return { hint: 'run `keygate init`' };
  return reading.hint === undefined ? {} : { hint: reading.hint };
}

function printable(path: string): string {
  return path.replace(/[\x00-\x1f\x7f]/g, '?');
}
