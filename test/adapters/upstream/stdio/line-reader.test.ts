import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createLineReader } from '../../../../src/adapters/upstream/stdio/line-reader.ts';

test('gives the same lines however the bytes come', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.array(fc.nat(8)), (text, cuts) => {
      const bytes = Buffer.from(text);
      const reader = createLineReader(() => 1_000_000);
      const lines: string[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        lines.push(...reader.push(bytes.subarray(at, at + cut)).map(String));
        at += cut;
      }
      expect(lines).toEqual(bytes.toString().split('\n').slice(0, -1));
    }),
  );
});

test('a line longer than it may be is refused, whether it ends or not', () => {
  const reader = () => createLineReader(() => 4);
  expect(reader().push(Buffer.from('1234\n12\n')).map(String)).toEqual(['1234', '12']);
  expect(() => reader().push(Buffer.from('12345\n'))).toThrow('longer than 4 bytes');
  expect(() => reader().push(Buffer.from('12345'))).toThrow('longer than 4 bytes');
  const slow = reader();
  slow.push(Buffer.from('123'));
  expect(() => slow.push(Buffer.from('45\n'))).toThrow('longer than 4 bytes');
});
