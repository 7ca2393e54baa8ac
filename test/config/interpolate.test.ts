import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { interpolate, type Sources } from '../../src/config/interpolate.ts';
import { leafAt } from '../../src/config/tree.ts';
import { folderWith } from './folder.ts';

const env = { X: 'value', EMPTY: '', DOLLAR: '${X}', MULTI: 'a: b\n- c' };

async function fill(text: string, cwd = '/nowhere', files = new Set<string>()): Promise<string> {
  const sources: Sources = { env, cwd, files };
  const { tree, findings } = await interpolate(leafAt({ path: 'a' }, text), sources);
  const [finding] = findings;
  if (finding) {
    expect(tree).toMatchObject({ broken: true });
    return `${finding.message}${finding.hint === undefined ? '' : ` (${finding.hint})`}`;
  }
  return tree.kind === 'leaf' ? String(tree.value) : '';
}

describe('interpolate', () => {
  it.each([
    ['plain', 'plain'],
    ['${X}', 'value'],
    ['${env:X}', 'value'],
    ['a ${X} b ${env:X} c', 'a value b value c'],
    ['${NOPE:-default}', 'default'],
    ['${env:NOPE:-a:-b}', 'a:-b'],
    ['${EMPTY:-default}', 'default'],
    ['${NOPE:-}', ''],
    ['${X:-default}', 'value'],
    ['$${X}', '${X}'],
    ['$$${X}', '$${X}'],
    ['$${X} ${X}', '${X} value'],
    ['$X $(X) $ {X} %X% ~ `X`', '$X $(X) $ {X} %X% ~ `X`'],
    ['${DOLLAR}', '${X}'],
    ['${MULTI}', 'a: b\n- c'],
  ])('%j is %j', async (text, value) => {
    expect(await fill(text)).toBe(value);
  });

  it.each([
    ['${NOPE}', 'needs the environment variable NOPE, which is not set (set NOPE, or write ${NOPE:-default})'],
    ['${EMPTY}', 'needs the environment variable EMPTY, which is empty (set EMPTY, or write ${EMPTY:-default})'],
    ['${toString}', 'needs the environment variable toString, which is not set (set toString, or write ${toString:-default})'],
    ['${', 'has a ${ without its } (write $${ for a plain ${)'],
    ['${}', expect.stringContaining('none of')],
    ['${X-y}', expect.stringContaining('none of')],
    ['${gcp:x}', expect.stringContaining('none of')],
    ['${vault:x}', 'asks for a secret of vault, which is not possible here'],
    ['${file:}', 'has a ${file:} without a path'],
    ['${input:token}', expect.stringContaining('asks the client')],
    ['${NOPE:-${X}}', 'has one ${…} inside another, which is not supported'],
  ])('%j is a problem', async (text, problem) => {
    expect(await fill(text)).toEqual(problem);
  });

  it('reads files relative to the folder, trims one line break, and remembers what it asked for', async () => {
    const folder = folderWith({ unix: 'secret\n', dos: 'secret\r\n', two: 'secret\n\n', none: 'secret', refers: '${X}', blank: '\n' });
    const files = new Set<string>();
    const read = (text: string): Promise<string> => fill(text, folder.path, files);
    expect(await read('<${file:unix}>')).toBe('<secret>');
    expect(await read('<${file:./dos}>')).toBe('<secret>');
    expect(await read('<${file:two}>')).toBe('<secret\n>');
    expect(await read(`<\${file:${join(folder.path, 'none')}}>`)).toBe('<secret>');
    expect(await read('${file:refers}')).toBe('${X}');
    expect(await read('${file:blank}')).toBe(`needs the file ${join(folder.path, 'blank')}, which is empty`);
    expect(await read('${file:absent}')).toBe(`needs the file ${join(folder.path, 'absent')}, which does not exist`);
    expect([...files]).toEqual(['unix', 'dos', 'two', 'none', 'refers', 'blank', 'absent'].map((name) => join(folder.path, name)));
  });

  it('refuses a file over 64 KiB, one without an end, one that is not text, and a folder', async () => {
    const folder = folderWith({ large: 'x'.repeat(64 * 1024 + 1), full: 'x'.repeat(64 * 1024), bytes: Buffer.from([0xc3, 0x28]) });
    expect(await fill('${file:full}', folder.path)).toHaveLength(64 * 1024);
    expect(await fill('${file:large}', folder.path)).toMatch(/which is larger than 64 KiB$/);
    expect(await fill('${file:/dev/zero}', folder.path)).toMatch(/which is larger than 64 KiB$/);
    expect(await fill('${file:bytes}', folder.path)).toMatch(/which is not UTF-8 text$/);
    expect(await fill('${file:.}', folder.path)).toMatch(/which is a folder, not a file$/);
  });
});

describe('whatever is written and whatever it stands for', () => {
  const part = fc.constantFrom(
    '${X}',
    '$${',
    '${',
    '}',
    '$',
    '{',
    'X',
    ':-',
    '${NOPE:-',
    '${env:X}',
    'plain',
    '${DOLLAR}',
    '\n',
    '${file:',
    '${}',
  );

  it('is replaced once, left to right, or is a finding: a value that comes in is never looked at again (A22)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 12 }),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
        async (parts, value) => {
          const text = parts.join('');
          const sources: Sources = { env: { X: value, DOLLAR: '${X}' }, cwd: '/nowhere', files: new Set() };
          const { tree, findings } = await interpolate(leafAt({ path: 'a' }, text), sources);
          if (findings.length > 0) {
            expect(tree).toMatchObject({ broken: true });
            return;
          }
          // The same by hand, on a text without any problem.
          const expected = text.replaceAll(/\$\$\{|\$\{([^}]*)\}/g, (found: string, reference: string | undefined) => {
            if (found === '$${') return '${';
            if (reference === 'X' || reference === 'env:X') return value;
            return reference === 'DOLLAR' ? '${X}' : (reference?.split(':-').slice(1).join(':-') ?? '');
          });
          expect(tree.kind === 'leaf' && tree.value).toBe(expected);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
