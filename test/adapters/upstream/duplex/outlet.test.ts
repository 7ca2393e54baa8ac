import { expect, test } from 'vitest';
import { createOutlet } from '../../../../src/adapters/upstream/duplex/outlet.ts';
import type { AnswerReceiver, UpstreamFailure } from '../../../../src/ports/upstreams.ts';

function prepare(ready = true) {
  const seen: string[] = [];
  const state = { ready };
  const receiver: AnswerReceiver = {
    onHead: (status, headers) => void seen.push(`${status} ${String(headers['content-type'] ?? '')}`.trim()),
    onChunk(chunk) {
      seen.push(chunk.length > 100 ? `${chunk.length} bytes` : chunk.toString());
      return state.ready;
    },
    onEnd: () => void seen.push('end'),
    onFailure: ({ kind, sent }: UpstreamFailure) => void seen.push(`${kind} ${sent ? 'sent' : 'not sent'}`),
  };
  return { seen, state, outlet: createOutlet(receiver, { sent: () => true }) };
}

const bytes = (text: string) => Buffer.from(text);

test('an answer that comes alone is JSON, and one after an event is the last event', () => {
  const alone = prepare();
  alone.outlet.answer(bytes('{}'));
  expect(alone.seen).toEqual(['200 application/json', '{}', 'end']);
  const later = prepare();
  later.outlet.event(bytes('{"a":1}'));
  later.outlet.answer(bytes('{}'));
  expect(later.seen).toEqual(['200 text/event-stream', 'data: {"a":1}\n\n', 'data: {}\n\n', 'end']);
});

test('nothing comes after the end, whatever the end was', () => {
  for (const end of ['answer', 'status', 'end', 'fail', 'abort'] as const) {
    const { outlet, seen } = prepare();
    if (end === 'answer') outlet.answer(bytes('{}'));
    else if (end === 'status') outlet.status(404);
    else if (end === 'fail') outlet.fail({ kind: 'reset', sent: true, cause: undefined });
    else outlet[end]();
    const until = seen.length;
    outlet.answer(bytes('{}'));
    outlet.event(bytes('{}'));
    outlet.status(500);
    outlet.end();
    outlet.fail({ kind: 'reset', sent: true, cause: undefined });
    outlet.abort();
    expect([end, seen.slice(until)]).toEqual([end, []]);
    expect(outlet.ended).toBe(true);
  }
});

test('a slow client is waited for, in order, and the end comes last', () => {
  const { outlet, seen, state } = prepare(false);
  for (const text of ['1', '2', '3']) outlet.event(bytes(text));
  outlet.end();
  expect(seen).toEqual(['200 text/event-stream', 'data: 1\n\n']);
  outlet.resume();
  expect(seen.slice(2)).toEqual(['data: 2\n\n']);
  state.ready = true;
  outlet.resume();
  expect(seen.slice(3)).toEqual(['data: 3\n\n', 'end']);
});

test('a client that reads nothing is given up when too much waits for it', () => {
  const { outlet, seen } = prepare(false);
  const mebibyte = Buffer.alloc(1024 * 1024, 'x');
  let written = 0;
  while (outlet.event(mebibyte)) written += 1;
  expect(written).toBeLessThanOrEqual(17);
  expect(seen.at(-1)).toBe('too-large sent');
});
