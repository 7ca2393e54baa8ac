import { expect, test } from 'vitest';
import type { ResultMarks } from '../../src/domain/message.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';

function marksOf(result: string): {
  marks: ResultMarks | undefined;
  isError: boolean | undefined;
  text: (span: { start: number; end: number }) => string;
} {
  const bytes = Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
  const scanned = scan(bytes, scanLimits);
  if (!scanned.ok || scanned.message.kind !== 'response') throw new Error('no response');
  const { marks, isError } = scanned.message;
  return { marks, isError, text: ({ start, end }) => bytes.toString('utf8', start, end) };
}

test.each([
  '{}',
  '[]',
  '"x"',
  'null',
  '{"content":[{"resultType":"task","taskId":"t"}]}',
  '{"resultType":1,"taskId":2,"requestState":{},"task":"t","_meta":[]}',
])('%s has no marks', (result) => {
  expect(marksOf(result)).toMatchObject({ marks: undefined, isError: undefined });
});

test('marks are read with their places, spelled as they may be', () => {
  const { marks, text, isError } = marksOf(
    '{"isError":true,"resultType":"input_required","requestState":"a\\u0062","taskId" : "t\\"1","task":{"ttl":5,"taskId":"t2","x":{"taskId":"no"}},"_meta":{"a":1,"io.modelcontextprotocol\\/related-task":{"taskId":"t3"}}}',
  );
  expect(isError).toBe(true);
  expect(marks).toMatchObject({
    resultType: 'input_required',
    taskId: { id: 't"1' },
    task: { id: 't2' },
    taskTtlMs: 5,
    relatedTask: { id: 't3' },
  });
  expect(marks?.requestState && text(marks.requestState)).toBe('"a\\u0062"');
  expect([marks?.taskId, marks?.task, marks?.relatedTask].map((mention) => mention && text(mention.span))).toEqual([
    '"t\\"1"',
    '"t2"',
    '"t3"',
  ]);
});

test('a mark that stands twice makes no message', () => {
  const scanned = scan(Buffer.from('{"jsonrpc":"2.0","id":1,"result":{"taskId":"a","taskId":"b"}}'), scanLimits);
  expect(scanned.ok).toBe(false);
});
