import fc from 'fast-check';
import { expect, test } from 'vitest';
import { belongsTo, renameCancelled, renameRequest, restoreAnswer } from '../../../../src/adapters/upstream/duplex/remap.ts';
import type { Message } from '../../../../src/domain/message.ts';
import { scan, scanLimits } from '../../../../src/domain/scan.ts';

function read<Kind extends Message['kind']>(text: string, kind: Kind): Extract<Message, { kind: Kind }> {
  const scanned = scan(Buffer.from(text), scanLimits);
  if (!scanned.ok || scanned.message.kind !== kind) throw new Error(text);
  return scanned.message as Extract<Message, { kind: Kind }>;
}

const id = fc.oneof(fc.string({ maxLength: 20 }), fc.maxSafeInteger());
const token = fc.option(id, { nil: undefined });
const indent = fc.nat(2);

test('I4: of a request only id and token change, and an answer gets the id back', () => {
  fc.assert(
    fc.property(id, token, fc.jsonValue({ maxDepth: 2 }), indent, (own, progressToken, args, spaces) => {
      const meta = progressToken === undefined ? {} : { _meta: { traceparent: 'x', progressToken } };
      const sent = {
        jsonrpc: '2.0',
        id: own,
        method: 'tools/call',
        params: { name: 'a', arguments: { id: 1, progressToken: args }, ...meta },
      };
      const renamed = renameRequest(read(JSON.stringify(sent, null, spaces), 'request'), 99);
      const text = renamed.bytes.toString();
      expect(text).not.toMatch(/[\r\n]/);
      const expected = structuredClone(sent) as typeof sent & { params: { _meta?: { progressToken?: unknown } } };
      expected.id = 99;
      if (progressToken !== undefined) expected.params = { ...expected.params, _meta: { traceparent: 'x', progressToken: 99 } };
      // Through JSON on both sides: -0 has no text of its own.
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(expected)));
      const answer = restoreAnswer(read('{"jsonrpc":"2.0","id":99,"result":{"id":99}}', 'response'), renamed.id);
      expect(JSON.parse(answer.toString())).toEqual(JSON.parse(JSON.stringify({ jsonrpc: '2.0', id: own, result: { id: 99 } })));
      expect(renamed.token === undefined ? undefined : JSON.parse(renamed.token.toString())).toEqual(progressToken);
    }),
  );
});

test('a subscription is known by its id, in notifications and in its end', () => {
  const key = 'io.modelcontextprotocol/subscriptionId';
  const noted = read(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"${key}":5}}}`, 'notification');
  expect(belongsTo(noted)).toMatchObject({ linkId: 5, by: 'subscription' });
  const ended = read(`{"jsonrpc":"2.0","id":5,"result":{"_meta":{"${key}":5}}}`, 'response');
  expect(JSON.parse(restoreAnswer(ended, Buffer.from('"mine"')).toString())).toEqual({
    jsonrpc: '2.0',
    id: 'mine',
    result: { _meta: { [key]: 'mine' } },
  });
});

test('progress is known by its token, which is no other member of that name', () => {
  const progress = read('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":5,"progress":1}}', 'notification');
  expect(belongsTo(progress)).toMatchObject({ linkId: 5, by: 'token' });
  const other = read('{"jsonrpc":"2.0","method":"notifications/message","params":{"data":{"progressToken":5}}}', 'notification');
  expect(belongsTo(other)).toBeUndefined();
});

test('a cancellation names the request as the other side knows it', () => {
  const cancelled = read('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"x","requestId":"mine"}}', 'notification');
  const bytes = renameCancelled(cancelled, cancelled.params.cancels?.span ?? { start: 0, end: 0 }, 12);
  expect(JSON.parse(bytes.toString())).toMatchObject({ params: { reason: 'x', requestId: 12 } });
});
