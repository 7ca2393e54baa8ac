import { describe, expect, it } from 'vitest';
import { KnownLists } from '../../src/domain/known-lists.ts';
import { filterList } from '../../src/domain/listing.ts';
import type { ResponseMessage } from '../../src/domain/message.ts';
import { scan } from '../../src/domain/scan.ts';

function response(text: string): ResponseMessage {
  const scanned = scan(Buffer.from(text), { depthMax: 64, nodesMax: 100_000 });
  if (!scanned.ok || scanned.message.kind !== 'response') throw new Error('no response');
  return scanned.message;
}

const listOf = (names: readonly string[], { id = 1, more = '' }: { id?: number | string; more?: string } = {}) =>
  response(JSON.stringify({ jsonrpc: '2.0', id, result: { tools: names.map((name) => ({ name, title: more })), cacheScope: 'public' } }));
const member = 'tools' as const;
const names = (list: { elements: readonly { name?: string }[] }) => list.elements.map(({ name }) => name);

describe('a list that was read before', () => {
  it('is the same object while its text is the same, in any message', () => {
    const lists = new KnownLists();
    const first = lists.read('up', { message: listOf(['a', 'b']), member });
    expect(names(first)).toEqual(['a', 'b']);
    expect(lists.read('up', { message: listOf(['a', 'b'], { id: 2 }), member })).toBe(first);
    // Elsewhere in the message, so every place is another.
    const elsewhere = listOf(['a', 'b'], { id: 'another id' });
    const moved = lists.read('up', { message: elsewhere, member });
    expect(moved).not.toBe(first);
    expect(filterList({ message: elsewhere, member, keep: ({ name }) => name === 'b', list: moved }).toString()).toContain(
      '"tools":[{"name":"b","title":""}]',
    );
  });

  it('is read anew where its text, the upstream, the member or the terms are others', () => {
    const lists = new KnownLists();
    const message = listOf(['a', 'b']);
    const first = lists.read('up', { message, member });
    expect(names(lists.read('up', { message: listOf(['a', 'c']), member }))).toEqual(['a', 'c']);
    expect(names(lists.read('up', { message, member }))).toEqual(['a', 'b']);
    expect(lists.read('other', { message, member })).not.toBe(first);
    expect(lists.read('up', { message, member: 'prompts' }).elements).toEqual([]);
    expect(lists.read('up', { message, member, private: { ttlMsMax: 1 } }).caching).toHaveLength(1);
    expect(lists.read('up', { message, member }).caching).toEqual([]);
  });

  it('keeps its texts when the memory of the message is used for something else', () => {
    const lists = new KnownLists();
    const message = listOf(['a', 'b']);
    lists.read('up', { message, member });
    message.bytes.fill(0x20);
    const [first] = lists.read('up', { message: listOf(['a', 'b']), member }).named;
    expect(first?.bytes.toString()).toBe('{"name":"a","title":""}');
  });

  it('is forgotten where it is long, or many others were read since', () => {
    const lists = new KnownLists();
    const read = (upstream: string, characters: number) =>
      lists.read(upstream, { message: listOf(['a'], { more: 'x'.repeat(characters) }), member });
    expect(read('long', 1_048_576)).not.toBe(read('long', 1_048_576));
    const first = read('up', 1_000_000);
    expect(read('up', 1_000_000)).toBe(first);
    for (const upstream of ['b', 'c', 'd', 'e']) read(upstream, 1_000_000);
    expect(read('up', 1_000_000)).not.toBe(first);
    expect(read('e', 1_000_000)).toBe(read('e', 1_000_000));
  });

  it('is no list where an error says so, or the member is none', () => {
    const lists = new KnownLists();
    const error = response('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","tools":[{}]}}');
    expect(lists.read('up', { message: error, member }).elements).toEqual([]);
    const none = response('{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}');
    expect(() => lists.read('up', { message: none, member })).toThrow('result.tools is no array');
  });
});
