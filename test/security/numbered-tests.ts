import { posix } from 'node:path';
import { blank } from '../tidy/blank.ts';
import { filesBelow, read } from '../tidy/source-tree.ts';

/** A name of a test, of a group of tests, or of a row of a table of tests, that has a number. */
export interface Numbered {
  readonly number: string;
  /** From the root. */
  readonly file: string;
  /** Without the number. */
  readonly name: string;
}

/** Of attacks (A17), and of faults (F04). */
const numbers = /\b[AF]\d{2}\b/g;
const notTests = /^test\/(?:security|support|fixtures|tidy)\//;

/** Every text with a number in the code of the tests, comments left out, by number and file. */
export function numberedTests(): Numbered[] {
  const files = filesBelow('test', '.ts').filter((path) => !notTests.test(path));
  return files.flatMap((file) =>
    textsIn(read(file)).flatMap((text) => numbersIn(text).map((number) => ({ number, file, name: nameOf(text) }))),
  );
}

export function numbersIn(text: string): string[] {
  return [...new Set(text.match(numbers))];
}

/** Strings and templates of a source file: what is blank in the code and not in the text. */
function textsIn(source: string): string[] {
  const text = blank(source, { strings: false });
  const code = blank(source, { strings: true });
  const found: string[] = [];
  for (let at = 0; at < text.length; at += 1) {
    if (code[at] !== ' ' || text[at] === ' ') continue;
    literal.lastIndex = at;
    const [whole, single, double, template] = literal.exec(text) ?? [];
    if (whole === undefined) {
      // A regular expression, whose quotes begin nothing.
      while (code[at + 1] === ' ') at += 1;
      continue;
    }
    found.push(single ?? double ?? template ?? '');
    at += whole.length - 1;
  }
  return found;
}

const literal = /'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`/y;

/** As a reader sees it: without numbers, escapes and what a table's row fills in. */
function nameOf(text: string): string {
  const plain = text.replaceAll(numbers, '').replace(/\\(.)/g, '$1').replace(/\s+/g, ' ');
  return plain
    .replace(/\((?:[\s,]|and)*\)/g, '')
    .replace(/^[\s,:]+|[\s,:]+$/g, '')
    .trim();
}

/** A file's path relative to a document. */
export function linkTo(file: string, document: string): string {
  return posix.relative(posix.dirname(document), file);
}
