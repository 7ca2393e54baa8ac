import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { blank } from './blank.ts';

/** The repository's root folder. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** From the root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out; same length, same lines. */
  readonly uncommented: string;
  /** The text with comments, strings and regular expressions blanked out; same length, same lines. */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  readonly from: string;
  /** The imported file from the root, for relative imports. */
  readonly file: string | undefined;
  /** Names as the imported file exports them; undefined = everything, or only the side effects. */
  readonly names: readonly string[] | undefined;
  /** True where nothing of it exists at run time. */
  readonly typeOnly: boolean;
}

const generated = new Set(['node_modules', 'dist', 'var', 'coverage', '.git', '.cache']);

/** Every file below a folder whose name ends so, from the root, sorted; an absent folder has none. */
export function filesBelow(folder: string, ending: string): string[] {
  const absolute = join(root, folder);
  if (!existsSync(absolute)) return [];
  const found: string[] = [];
  for (const entry of readdirSync(absolute, { withFileTypes: true })) {
    const path = relative(root, join(absolute, entry.name)).split(sep).join('/');
    if (entry.isDirectory()) {
      if (!generated.has(entry.name)) found.push(...filesBelow(path, ending));
    } else if (entry.name.endsWith(ending)) found.push(path);
  }
  return found.sort();
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** TypeScript files below these folders, read and taken apart. TypeScript 7 has no JavaScript API, so this works on text. */
export function sources(...folders: string[]): SourceFile[] {
  return folders.flatMap((folder) => filesBelow(folder, '.ts')).map(readSource);
}

function readSource(path: string): SourceFile {
  const text = read(path);
  const uncommented = blank(text, { strings: false });
  const code = blank(text, { strings: true });
  return { path, text, uncommented, code, imports: importsOf(path, { uncommented, code }) };
}

const statement = /(?<=^|[\n;])[ \t]*(import|export)\b([^;'"`]*?)\bfrom\s*['"]([^'"]+)['"]/g;
const bare = /(?<=^|[\n;])[ \t]*import\s*['"]([^'"]+)['"]/g;
const dynamic = /\bimport\s*\(\s*['"]([^'"]+)['"]\s*\)/g;

/** Static imports, re-exports and dynamic imports of a literal. */
function importsOf(path: string, { uncommented, code }: { uncommented: string; code: string }): Import[] {
  const found: Import[] = [];
  // A match inside a string, such as a printed example, starts where the code is blank.
  const isCode = (match: RegExpMatchArray) => /\S/.test(code.slice(match.index, (match.index ?? 0) + match[0].length).slice(0, 12));
  const add = (from: string, names: readonly string[] | undefined, typeOnly: boolean) => {
    const file = from.startsWith('.') ? posix.join(posix.dirname(path), from) : undefined;
    found.push({ from, file, names, typeOnly });
  };
  for (const match of uncommented.matchAll(statement)) {
    if (!isCode(match)) continue;
    const clause = match[2] ?? '';
    add(match[3] ?? '', clause.includes('*') ? undefined : namesIn(clause), isTypeOnly(clause));
  }
  for (const match of uncommented.matchAll(bare)) if (isCode(match)) add(match[1] ?? '', undefined, false);
  for (const match of uncommented.matchAll(dynamic)) if (isCode(match)) add(match[1] ?? '', undefined, false);
  return found;
}

function isTypeOnly(clause: string): boolean {
  if (/^\s+type\b/.test(clause)) return true;
  const list = /\{([\s\S]*)\}/.exec(clause)?.[1];
  const members = (list ?? '').split(',').filter((member) => member.trim() !== '');
  return members.length > 0 && !/^\s*\w/.test(clause) && members.every((member) => /^\s*type\s/.test(member));
}

/** `{ a, type B, c as d }` gives a, B, c. */
function namesIn(clause: string): string[] {
  const list = /\{([\s\S]*)\}/.exec(clause)?.[1] ?? '';
  return list
    .split(',')
    .map((member) => /^\s*(?:type\s+)?([\w$]+)/.exec(member)?.[1] ?? '')
    .filter((name) => name !== '');
}

/** Where this file stands among the lines, for messages: `src/a.ts:12`. */
export function place(file: SourceFile, index: number): string {
  return `${file.path}:${file.text.slice(0, index).split('\n').length}`;
}

/** The file a relative link of a document points at, from the root. */
export function linked(document: string, target: string): string {
  return target.startsWith('/') ? target.slice(1) : posix.normalize(posix.join(dirname(document), target));
}
