import { validateHeaderValue } from 'node:http';
import { expect, it } from 'vitest';
import { overHeader } from '../../src/stages/over-header.ts';

const name = 'x-keygate-over';

it.each([
  ['a, b', ['a%2C b']],
  ['100%', ['100%25']],
  ['Gerät \u{1f600}', ['Ger%C3%A4t %F0%9F%98%80']],
  ['x\r\nset-cookie: a=b', ['x%0D%0Aset-cookie: a=b']],
  ['\u0000\u007f\u0085', ['%00%7F%C2%85']],
  ['half \ud83d pair', ['half %EF%BF%BD pair']],
])('%j stays one name of a header that HTTP allows', (limit, names) => {
  const { [name]: text = '' } = overHeader([limit]);
  expect(text.split(', ')).toEqual(names);
  expect(() => validateHeaderValue(name, text)).not.toThrow();
  expect(decodeURIComponent(text)).toBe(limit.toWellFormed());
});

it('is never longer than a head may be, and says that there are more', () => {
  const names = Array.from({ length: 500 }, (_, at) => `key:ABCD1234 budget day tool_${at}_${'ä'.repeat(20)}`);
  const { [name]: text = '' } = overHeader(names);
  expect(text.length).toBeLessThan(2_010);
  expect(text).toMatch(/^key:ABCD1234 budget day tool_0_.*, \.\.\.$/);
  for (const each of text.split(', ').slice(0, -1)) expect(names).toContain(decodeURIComponent(each));
  expect(overHeader(['ä'.repeat(2_000)])).toEqual({ [name]: '...' });
});
