import { expect, test } from 'vitest';
import { type SourceFile, sources } from './source-tree.ts';

const fileLinesMax = 220;
/** What a file should stay below; longer ones are listed, not refused. */
const fileLinesGoal = 150;
const functionLinesMax = 80;

const files = sources('src');

function lines(text: string): number {
  return text.trimEnd().split('\n').length;
}

test(`no file of src/ is longer than ${fileLinesMax} lines`, () => {
  const long = files.map(({ path, text }) => ({ path, length: lines(text) })).filter(({ length }) => length > fileLinesGoal);
  if (long.length > 0)
    console.info(`longer than ${fileLinesGoal} lines: ${long.map(({ path, length }) => `${path} ${length}`).join(', ')}`);
  expect(long.filter(({ length }) => length > fileLinesMax)).toEqual([]);
});

test(`no function of src/ is longer than ${functionLinesMax} lines of its own`, () => {
  const all = files.flatMap(ownLines);
  expect(all.length).toBeGreaterThan(20);
  expect(all.filter(({ length }) => length > functionLinesMax)).toEqual([]);
});

interface Body {
  readonly open: number;
  readonly close: number;
}

/** Each function with its lines, less those of functions inside it, which count for themselves: a factory is like a class. */
function ownLines(file: SourceFile): { place: string; length: number }[] {
  const bodies = bodiesOf(file.code);
  const span = ({ open, close }: Body) => file.code.slice(open, close).split('\n').length;
  return bodies.map((body) => {
    const inside = bodies.filter((other) => other.open > body.open && other.close < body.close);
    const outermost = inside.filter((one) => !inside.some((other) => other.open < one.open && other.close > one.close));
    const nested = outermost.reduce((sum, one) => sum + span(one) - 1, 0);
    return { place: `${file.path}:${file.code.slice(0, body.open).split('\n').length}`, length: span(body) - nested };
  });
}

const control = /^(?:if|for|while|switch|catch|return|await|with)$/;

/** Bodies in braces of functions, methods and arrows, by counting brackets in code without strings and comments. */
function bodiesOf(code: string): Body[] {
  const found: Body[] = [];
  for (const match of code.matchAll(/=>\s*\{/g)) {
    const open = match.index + match[0].length - 1;
    found.push({ open, close: closing(code, open) });
  }
  for (const match of code.matchAll(/([\w$#]+)\s*(?:<[^()]*>)?\s*\(/g)) {
    if (control.test(match[1] ?? '')) continue;
    const open = bodyAfter(code, closing(code, match.index + match[0].length - 1) + 1);
    if (open !== undefined) found.push({ open, close: closing(code, open) });
  }
  return found;
}

/** The body's brace after a parameter list, past a return type; undefined where it was a call. */
function bodyAfter(code: string, from: number): number | undefined {
  const rest = /^\s*/.exec(code.slice(from, from + 40))?.[0].length ?? 0;
  let at = from + rest;
  if (code[at] === '{') return at;
  if (code[at] !== ':') return undefined;
  for (let before = ':'; at < code.length; at += 1) {
    const char = code[at] ?? '';
    if (char === '{' && !/[:|&<,(=>]/.test(before)) return at;
    if (char === ';' || char === ')' || char === '}' || (char === '=' && code[at + 1] !== '>')) return undefined;
    if (char === '{' || char === '(' || char === '[') at = closing(code, at);
    if (char.trim() !== '') before = code[at] ?? '';
  }
  return undefined;
}

/** Offset of the bracket that closes the one at `open`. */
function closing(code: string, open: number): number {
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    const char = code[at];
    if (char === '{' || char === '(' || char === '[') depth += 1;
    else if (char === '}' || char === ')' || char === ']') depth -= 1;
    if (depth === 0) return at;
  }
  return code.length;
}
