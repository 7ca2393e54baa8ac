import { describe, expect, it } from 'vitest';
import { prefixLinks } from '../../src/domain/result-links.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';

const link = (result: string) => {
  const scanned = scan(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${result}}`), scanLimits);
  if (!scanned.ok || scanned.message.kind !== 'response') throw new Error('no response');
  const bytes = prefixLinks({ message: scanned.message, prefix: 'keygate://w/' });
  return { same: bytes === scanned.message.bytes, result: bytes.toString('utf8').slice('{"jsonrpc":"2.0","id":1,"result":'.length, -1) };
};

describe('prefixLinks', () => {
  it.each([
    [
      '{"contents":[{"uri":"a:1","text":"a:1"},{"uri" : "\\u0061:2"}]}',
      '{"contents":[{"uri":"keygate://w/a:1","text":"a:1"},{"uri" : "keygate://w/\\u0061:2"}]}',
    ],
    ['{"content":[{"uri":"a:1","type":"resource_link"}]}', '{"content":[{"uri":"keygate://w/a:1","type":"resource_link"}]}'],
    [
      '{"content":[{"type":"resource","resource":{"uri":"a:1","n":1E2}}]}',
      '{"content":[{"type":"resource","resource":{"uri":"keygate://w/a:1","n":1E2}}]}',
    ],
    [
      '{"messages":[{"role":"user","content":{"type":"resource_link","uri":"a:1"}}]}',
      '{"messages":[{"role":"user","content":{"type":"resource_link","uri":"keygate://w/a:1"}}]}',
    ],
  ])('%s', (before, after) => expect(link(before).result).toBe(after));

  it.each([
    '{"content":[{"type":"text","text":"a:1","uri":"a:1","resource":{"uri":"a:1"}},7,null]}',
    '{"content":{"type":"resource_link","uri":"a:1"},"uri":"a:1"}',
    '{"contents":[{"uri":7}],"messages":[{"content":"a:1"}]}',
    '{"structuredContent":{"content":[{"type":"resource_link","uri":"a:1"}]}}',
    '7',
  ])('%s stays as it is', (result) => expect(link(result)).toEqual({ same: true, result }));
});
