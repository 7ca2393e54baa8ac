import { expect, test } from 'vitest';
import type { RequestMessage, ResponseMessage } from '../../src/domain/message.ts';
import { ownState, ownStateEdit, readStateText, stateEdit, stateText } from '../../src/domain/round.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { splice } from '../../src/domain/splice.ts';

function scanned(text: string): RequestMessage | ResponseMessage {
  const result = scan(Buffer.from(text), { ...scanLimits, loneSurrogates: true });
  if (!result.ok) throw new Error(result.detail);
  return result.message as RequestMessage | ResponseMessage;
}

const request = (params: string) => scanned(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{${params}}}`) as RequestMessage;
const answer = (result: string) => scanned(`{"jsonrpc":"2.0","id":1,"result":${result}}`) as ResponseMessage;

test.each(['"plain"', '""', '"q\\"uote\\\\ \\n"', '"\\ud83d"', '"ünï"'])('the state %s comes back as it was spelled', (own) => {
  const given = answer(`{"resultType":"input_required","requestState":${own}}`);
  expect(ownState(given)).toBe(own);
  const plain = stateText({ round: 3, at: 5, arguments: 'hash', own: ownState(given) ?? '' });
  expect(readStateText(plain)).toEqual({ round: 3, at: 5, arguments: 'hash', own });
  const shown = splice(given.bytes, [stateEdit(given, 'sealed')]).toString();
  expect(shown).toBe('{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"sealed"}}');
  const again = request('"name":"x", "requestState" : "sealed"');
  expect(splice(again.bytes, [ownStateEdit(again, own)]).toString()).toContain(`"name":"x", "requestState" : ${own}}`);
});

test('where there is no state one is added, and taken off again', () => {
  const given = answer('{ "resultType":"input_required","inputRequests":{}}');
  expect(ownState(given)).toBeUndefined();
  expect(splice(given.bytes, [stateEdit(given, 's')]).toString()).toContain('"result":{"requestState":"s", "resultType":"input_required"');
  expect(readStateText(stateText({ round: 1, at: 0, arguments: '' }))).toEqual({ round: 1, at: 0, arguments: '' });
});

test.each([
  ['"requestState":"s","name":"x"', '"name":"x"'],
  ['"requestState" : "s" ,\n"name":"x"', '\n"name":"x"'],
  ['"name":"x","requestState":"s"', '"name":"x"'],
  ['"name":"x" ,\t"requestState":"s" ', '"name":"x"  '],
  ['"name":"x","requestState":"s","arguments":{}', '"name":"x","arguments":{}'],
])('taken off: %j', (before, after) => {
  const message = request(before);
  const text = splice(message.bytes, [ownStateEdit(message, undefined)]).toString();
  expect(JSON.parse(text).params.requestState).toBeUndefined();
  expect(text).toContain(`"params":{${after.trimEnd()}`);
  expect(scan(Buffer.from(text), scanLimits).ok).toBe(true);
});

test('a message without a state has none to put back', () => {
  expect(() => ownStateEdit(request('"name":"x"'), undefined)).toThrow();
});
