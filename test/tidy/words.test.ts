import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow, place, read, type SourceFile, sources } from './source-tree.ts';

const src = sources('src');
const all = [...src, ...sources('test', 'load', 'examples')];

/** Places where the pattern stands, in code (strings and comments blanked) or in the text as it is. */
function places(files: readonly SourceFile[], pattern: RegExp, within: 'code' | 'text' = 'code'): string[] {
  return files.flatMap((file) => [...file[within].matchAll(pattern)].map((match) => `${place(file, match.index)} ${match[0].trim()}`));
}

test('no any', () => {
  expect(places(all, /[:<,|&(]\s*any\b(?!\s*[:(])|\bas\s+any\b|\bany\s*(?:\[\]|>)/g)).toEqual([]);
});

test('no compiler or linter message is silenced without a reason', () => {
  expect(places(all, /@ts-(?:ignore|nocheck)\b|@ts-expect-error[ \t]*(?=\n)/g, 'text')).toEqual([]);
});

test('no work is left behind as a note', () => {
  const note = /\bTO(?:DO)\b|\bFIX(?:ME)\b|\bXX(?:X)\b/g;
  expect(places(all, note, 'text')).toEqual([]);
  const documents = filesBelow('.', '.md').filter((path) => note.test(read(path)));
  expect(documents).toEqual([]);
});

test('no default exports and no export of everything', () => {
  expect(places(all, /\bexport\s+default\b|\bexport\s*\{[^}]*\bas\s+default\b|\bexport\s*\*/g)).toEqual([]);
});

test('no variable at module level changes', () => {
  expect(places(src, /^(?:export\s+)?(?:let|var)\b.*/gm)).toEqual([]);
});

test('nothing writes to the console but the command line and the process', () => {
  const inner = src.filter(({ path }) => path !== 'src/main.ts' && !path.startsWith('src/edges/cli/'));
  expect(places(inner, /\bconsole\.\w+/g)).toEqual([]);
});

test('no test is skipped, focused or left to be written', () => {
  expect(places(sources('test'), /\b(?:test|it|describe)(?:\.\w+)*\.(?:skip|only|todo|skipIf|runIf|fails)\b/g)).toEqual([]);
});

test('file names avoid words that say nothing', () => {
  const empty = new Set(['manager', 'service', 'helper', 'util', 'data', 'info', 'handler', 'context', 'misc', 'common']);
  const named = ['src', 'test', 'load', 'examples', 'config', 'docs', 'deploy'].flatMap((folder) => filesBelow(folder, ''));
  const wrong = named.filter((path) =>
    basename(path)
      // The field's own term for the listener that agents use.
      .replace('data-plane', '')
      .replace(/([a-z])([A-Z])/g, '$1-$2')
      .toLowerCase()
      .split(/[^a-z]+/)
      .some((word) => empty.has(word) || empty.has(word.replace(/s$/, ''))),
  );
  expect(named.length).toBeGreaterThan(20);
  expect(wrong).toEqual([]);
});
