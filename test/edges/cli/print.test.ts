import { describe, expect, it } from 'vitest';
import { jsonText, pairs, plain, table } from '../../../src/edges/cli/print.ts';

const hostile = 'a\u001b[31mred\r\nforged\u009b2J\u202etxt\u2028';

describe('A18: text of others on a terminal', () => {
  it('is one line of characters that no terminal obeys', () => {
    expect(plain(hostile)).toBe('a\\u001b[31mred\\u000d\\u000aforged\\u009b2J\\u202etxt\\u2028');
    expect(plain('naïve – 日本語 😀')).toBe('naïve – 日本語 😀');
  });

  it('stays readable to JSON and harmless on a terminal', () => {
    const text = jsonText({ name: hostile });
    expect(JSON.parse(text)).toEqual({ name: hostile });
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/);
  });

  it('cannot add lines to a table', () => {
    expect(table(['ID', 'NAME'], [['1', hostile]]).split('\n')).toHaveLength(3);
  });
});

describe('tables', () => {
  it('are aligned', () => {
    expect(
      table(
        ['ID', 'NAME', 'X'],
        [
          ['AbCd1234', 'n', ''],
          ['b', 'longer', 'y'],
        ],
      ),
    ).toBe('ID        NAME    X\nAbCd1234  n\nb         longer  y\n');
    expect(
      pairs([
        ['id', 'x'],
        ['long name', 3],
        ['absent', null],
        ['empty', ''],
      ]),
    ).toBe('id         x\nlong name  3\n');
  });
});
