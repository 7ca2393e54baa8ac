import { expect, it } from 'vitest';
import { KnownTexts } from '../../src/domain/known-texts.ts';

it('finds just the known texts, whatever shares their slot', () => {
  const letters = ['', ...'abcdefgh'];
  const all = new Set(
    letters.flatMap((one) => letters.flatMap((two) => letters.flatMap((three) => letters.map((four) => one + two + three + four)))),
  );
  // "h" is known and shares its slot with "h??a", which begin with it.
  const known = new Set([...all].filter((text, index) => text.length === 1 || index % 5 === 0));
  const texts = new KnownTexts([...known]);
  const found = [...all].filter((text) => texts.find(Buffer.from(`<${text}>`), 1, 1 + text.length) === text);
  expect(found).toEqual([...known]);
  expect([...all].filter((text) => !known.has(text) && texts.find(Buffer.from(`<${text}>`), 1, 1 + text.length) !== undefined)).toEqual([]);
});
