import { expect, test } from 'vitest';
import { sources } from './source-tree.ts';

/** Where objects are made for each plain call over HTTP: the hot path. */
const perRequest =
  /^src\/(?:gateway\.ts|stages\/|edges\/(?!batch|captured-reply)[^/]+\.ts|adapters\/upstream\/(?:http|guarded|guarded-call)\.ts)/;
/** An accessor of an object literal stands deeper than one of a class, whose members are indented once. */
const accessor = /^ {4,}(?:get|set) \w+\(.*\) \{$/m;

test('no object literal with accessors is made for a request: V8 keeps each of them until the next full collection', () => {
  const files = sources('src').filter(({ path }) => perRequest.test(path));
  expect(files.length).toBeGreaterThan(30);
  expect(files.filter(({ text }) => accessor.test(text)).map(({ path }) => path)).toEqual([]);
});

test('the form is told apart', () => {
  expect(accessor.test('  return {\n    get closed() {\n      return true;\n    },\n  };')).toBe(true);
  expect(accessor.test('class Reply {\n  get closed(): boolean {\n    return true;\n  }\n}')).toBe(false);
});
