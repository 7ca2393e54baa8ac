import { expect, test } from 'vitest';
import type { RequestMessage } from '../../src/domain/message.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { splice } from '../../src/domain/splice.ts';
import { narrowingEdits, readSubscriptions } from '../../src/domain/subscriptions.ts';

function listening(notifications: string): RequestMessage {
  const text = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":${notifications},"_meta":{"x":1}}}`;
  const scanned = scan(Buffer.from(text), scanLimits);
  if (!scanned.ok || scanned.message.kind !== 'request') throw new Error('no request');
  return scanned.message;
}

/** What is left of a filter; URIs that begin with "no" and tasks without an entry are refused. */
function narrowed(notifications: string): string {
  const message = listening(notifications);
  const edits = narrowingEdits(message, {
    uri: (uri) => (uri.startsWith('no') ? undefined : uri),
    task: (id) =>
      new Map([
        ['a', 'own a'],
        ['b', 'b'],
      ]).get(id),
  });
  const bytes = splice(message.bytes, edits);
  const scanned = scan(bytes, scanLimits);
  expect(scanned.ok).toBe(true);
  const text = bytes.toString();
  return text.slice(text.indexOf('"notifications":') + 16, text.indexOf(',"_meta"'));
}

test.each([
  ['{}', '{}'],
  ['{"toolsListChanged":true , "promptsListChanged":false}', '{"toolsListChanged":true , "promptsListChanged":false}'],
  ['{"vendor":1}', '{}'],
  ['{"vendor":{"a":[1]},"toolsListChanged":true}', '{"toolsListChanged":true}'],
  ['{"toolsListChanged":true,"vendor":1}', '{"toolsListChanged":true}'],
  ['{"resourceSubscriptions":"x:1"}', '{}'],
  ['{"resourceSubscriptions":[]}', '{"resourceSubscriptions":[]}'],
  ['{"resourceSubscriptions":["x:1","no:1", "y:2" ]}', '{"resourceSubscriptions":["x:1","y:2" ]}'],
  ['{"resourceSubscriptions":["no:1",7,null,["x:1"],{"a":"x:1"}]}', '{"resourceSubscriptions":[]}'],
  ['{"resourceSubscriptions":["\\u006eo:1","x:\\u0031"]}', '{"resourceSubscriptions":["x:\\u0031"]}'],
  ['{"taskIds":["a","z","b"],"resourcesListChanged":true}', '{"taskIds":["own a","b"],"resourcesListChanged":true}'],
  ['{"TaskIds":["a"],"toolslistchanged":true}', '{}'],
  ['{"__proto__":true,"constructor":true,"toString":[1]}', '{}'],
])('of %s is left %s', (asked, left) => {
  expect(narrowed(asked)).toBe(left);
});

test('a filter is read', () => {
  const message = listening(
    '{"toolsListChanged":true,"promptsListChanged":false,"resourcesListChanged":"true","resourceSubscriptions":["x:1",2],"taskIds":["a"]}',
  );
  const { listChanges, uris, taskIds } = readSubscriptions(message);
  expect([...listChanges]).toEqual(['notifications/tools/list_changed']);
  expect(uris.map(({ text }) => text)).toEqual(['x:1']);
  expect(taskIds.map(({ text }) => text)).toEqual(['a']);
});
