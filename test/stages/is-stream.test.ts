import { expect, test } from 'vitest';
import { gateOf } from '../../src/domain/method.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { isStream, waits } from '../../src/stages/is-stream.ts';
import type { Intent } from '../../src/stages/reached.ts';

function intentOf(method: string): Intent {
  const params = { taskId: 't', name: 'n', uri: 'a://b', notifications: {} };
  const scanned = scan(Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })), scanLimits);
  if (!scanned.ok || scanned.message.kind !== 'request') throw new Error('no request');
  return { kind: 'request', message: scanned.message, gate: gateOf(method, 'stateless') ?? gateOf(method, 'session') };
}

test.each([
  ['subscriptions/listen', true, true],
  ['tasks/result', false, true],
  ['tasks/get', false, false],
  ['tools/call', false, false],
  ['resources/subscribe', false, false],
])('%s: a stream %s, may be silent %s', (method, stream, silent) => {
  expect([isStream(intentOf(method)), waits(intentOf(method))]).toEqual([stream, silent]);
});

test('a GET is a stream, the end of a session is none', () => {
  expect([waits({ kind: 'stream', resumed: undefined }), isStream({ kind: 'stream', resumed: undefined })]).toEqual([true, true]);
  expect(waits({ kind: 'end' })).toBe(false);
});
