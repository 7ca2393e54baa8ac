import { expect, test } from 'vitest';
import { blank } from './blank.ts';

const code = (text: string) => blank(text, { strings: true }).replace(/\s+/g, ' ').trim();

test.each([
  ['const a = "x: any"; // TODAY\nb();', 'const a = ; b();'],
  ["const a = 'it\\'s'; b();", 'const a = ; b();'],
  ['/* one\ntwo */ a();', 'a();'],
  ['const a = /[/"]\\/\'/.exec(b) / c / d;', 'const a = .exec(b) / c / d;'],
  ['const a = `x $' + '{b({ c: `y $' + '{d}` })} "z`; e();', 'const a = b({ c: d }) ; e();'],
  ['if (a) { return /}/.test(b); }', 'if (a) { return .test(b); }'],
])('strings, comments and regular expressions leave only code: %j', (text, left) => {
  expect(code(text)).toBe(left);
  expect(blank(text, { strings: true })).toHaveLength(text.length);
});

test('strings stay where only comments are to go', () => {
  expect(blank("import a from './b.ts'; // c", { strings: false }).trim()).toBe("import a from './b.ts';");
});
