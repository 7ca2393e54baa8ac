import { describe, expect, test } from 'vitest';
import { attacks } from '../security/attacks.ts';
import { coverageDocument, coverageText } from '../security/coverage.ts';
import { numberedTests, numbersIn } from '../security/numbered-tests.ts';
import { read } from './source-tree.ts';

describe('docs/security/coverage.md', () => {
  const tests = numberedTests();

  test('has every attack once, in order', () => {
    const numbers = Array.from({ length: 63 }, (_, at) => `A${String(at + 1).padStart(2, '0')}`);
    expect(attacks.map(({ number }) => number)).toEqual(numbers);
  });

  test('each attack has a test, or says what is missing', () => {
    const tested = new Set(tests.map(({ number }) => number));
    expect(attacks.filter(({ number, missing }) => !tested.has(number) && missing === undefined)).toEqual([]);
  });

  test('each number in the name of a test is an attack or a fault', () => {
    const known = new Set(attacks.map(({ number }) => number));
    expect(tests.filter(({ number }) => !number.startsWith('F') && !known.has(number))).toEqual([]);
  });

  test('says of the tests what their names say (npm run security -- --write)', () => {
    expect(read(coverageDocument)).toBe(coverageText());
  });

  test('numbers are found wherever they stand', () => {
    expect(numbersIn('A01: x (A41), A49, A58')).toEqual(['A01', 'A41', 'A49', 'A58']);
    expect(numbersIn('F04 A43: y')).toEqual(['F04', 'A43']);
    expect(numbersIn('SHA256 A1 XA01 A012 F1 PDF01')).toEqual([]);
  });
});
