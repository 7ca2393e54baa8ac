import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { filterList, listItems, makePrivate, nextCursorOf } from '../../src/domain/listing.ts';
import type { ResponseMessage } from '../../src/domain/message.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';

const spaced =
  '{ "result" : { "x":1.0e1, "tools" : [ {"name":"a","n":1E2} , {"name":"b"},{"name":"c"} ],"nextCursor":"é" } ,"jsonrpc":"2.0","id":1}';

describe('filterList', () => {
  it.each<[string, string]>([
    ['abc', '[ {"name":"a","n":1E2} , {"name":"b"},{"name":"c"} ]'],
    ['ab', '[ {"name":"a","n":1E2} , {"name":"b"} ]'],
    ['ac', '[ {"name":"a","n":1E2} , {"name":"c"} ]'],
    ['bc', '[ {"name":"b"},{"name":"c"} ]'],
    ['b', '[ {"name":"b"} ]'],
    ['c', '[ {"name":"c"} ]'],
    ['', '[  ]'],
  ])('keeps just "%s" and every other byte', (kept, list) => {
    const message = response(spaced);
    const filtered = filterList({ message, member: 'tools', keep: (item) => kept.includes(item.name ?? '?') });
    expect(filtered.toString()).toBe(spaced.replace(/\[.*\]/, list));
  });

  it('gives the same buffer when nothing is cut', () => {
    const message = response(spaced);
    expect(filterList({ message, member: 'tools', keep: () => true })).toBe(message.bytes);
    expect(filterList({ message, member: 'prompts', keep: () => false })).toBe(message.bytes);
    const error = response('{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"","tools":[{}]}}');
    expect(filterList({ message: error, member: 'tools', keep: () => false })).toBe(error.bytes);
  });

  it('drops what has no name to judge it by, without asking', () => {
    const asked: unknown[] = [];
    const message = result('{"tools":[1,"a",null,[],{},{"name":5},{"title":"a"},{"n\\u0061me":"b"},{"name":"a"}]}');
    const filtered = filterList({ message, member: 'tools', keep: (item) => asked.push(item.name) > 0 });
    expect(parsed(filtered)).toEqual({ tools: [{ name: 'b' }, { name: 'a' }] });
    expect(asked).toEqual(['b', 'a']);
  });

  it('judges resources by uri and templates by uriTemplate', () => {
    const message = result('{"resources":[{"name":"a"},{"uri":"u://1"}],"resourceTemplates":[{"uri":"x"},{"uriTemplate":"t://{x}"}]}');
    expect(listItems(message, 'resources').map((item) => item.uri)).toEqual(['u://1']);
    expect(listItems(message, 'resourceTemplates').map((item) => item.uriTemplate)).toEqual(['t://{x}']);
    expect(parsed(filterList({ message, member: 'resources', keep: () => true }))).toMatchObject({ resources: [{ uri: 'u://1' }] });
  });

  it.each(['{"tools":{}}', '{"tools":null}', '{"tools":"x"}'])('throws where the list is none: %s', (text) => {
    expect(() => filterList({ message: result(text), member: 'tools', keep: () => true })).toThrow('result.tools is no array');
    expect(() => listItems(result(text), 'tools')).toThrow('result.tools is no array');
  });

  it('is not led astray by lists elsewhere', () => {
    const message = result('{"a":{"tools":[{"name":"x"}]},"tools":[{"name":"y","tools":[{"name":"z"}]}]}');
    expect(listItems(message, 'tools').map((item) => item.name)).toEqual(['y']);
    const scalar = result('[{"tools":[]}]');
    expect(filterList({ message: scalar, member: 'tools', keep: () => false })).toBe(scalar.bytes);
  });

  it('equals filtering the parsed value', () => {
    const item = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ name: fc.string({ unit: 'binary' }), more: fc.jsonValue({ maxDepth: 2 }) }, { requiredKeys: ['name'] }),
      },
      fc.jsonValue({ maxDepth: 1 }),
    );
    const value = fc.record({ before: fc.jsonValue(), tools: fc.array(item), nextCursor: fc.string() }, { requiredKeys: ['tools'] });
    fc.assert(
      fc.property(value, fc.constantFrom(undefined, 1, '\t'), fc.func(fc.boolean()), (given, indent, keep) => {
        const message = response(JSON.stringify({ jsonrpc: '2.0', id: 1, result: given }, null, indent));
        const expected = (JSON.parse(JSON.stringify(given)) as { tools: unknown[] }).tools.filter((tool) => {
          const name =
            tool !== null && typeof tool === 'object' && Object.hasOwn(tool, 'name') ? (tool as { name: unknown }).name : undefined;
          return typeof name === 'string' && keep(name);
        });
        const filtered = filterList({ message, member: 'tools', keep: ({ name }) => keep(name) });
        expect(parsed(filtered)).toEqual({ ...(JSON.parse(JSON.stringify(given)) as object), tools: expected });
        expect(scan(filtered, scanLimits).ok).toBe(true);
        if (expected.length === given.tools.length) expect(filtered).toBe(message.bytes);
      }),
      { seed: 11, numRuns: 250 },
    );
  });

  it('filters a list of 100 tools within a millisecond', () => {
    const tools = Array.from({ length: 100 }, (_, index) => ({
      name: `tool_${index}`,
      description: 'x'.repeat(300),
      inputSchema: { type: 'object' },
    }));
    const message = result(JSON.stringify({ tools }));
    const run = () => filterList({ message, member: 'tools', keep: (item) => item.name?.endsWith('7') === true });
    for (let warm = 0; warm < 50; warm++) run();
    const start = performance.now();
    for (let times = 0; times < 50; times++) run();
    // The aim is 0.5 ms; the rest is room for a busy machine.
    expect((performance.now() - start) / 50).toBeLessThan(2);
    expect(parsed(run())).toMatchObject({ tools: { length: 10 } });
  });
});

describe('makePrivate', () => {
  it.each<[string, string]>([
    ['{"cacheScope":"public","ttlMs":60000}', '{"cacheScope":"private","ttlMs":1000}'],
    ['{"ttlMs" : 1e9,"a":{"ttlMs":1e9,"cacheScope":"public"}}', '{"ttlMs" : 1000,"a":{"ttlMs":1e9,"cacheScope":"public"}}'],
    ['{"cacheScope":null,"ttlMs":"for ever"}', '{"cacheScope":"private","ttlMs":1000}'],
    ['{"cacheScop\\u0065":"public"}', '{"cacheScop\\u0065":"private"}'],
  ])('narrows %s', (before, after) => {
    const message = result(before);
    expect(makePrivate({ message, ttlMsMax: 1000 }).toString()).toBe(message.bytes.toString().replace(before, after));
    expect(filterList({ message, member: 'tools', keep: () => true, private: { ttlMsMax: 1000 } }).toString()).toContain(after);
  });

  it.each(['{"cacheScope":"private","ttlMs":0}', '{"ttlMs":1000}', '{"contents":[]}', '5'])('leaves %s alone', (text) => {
    const message = result(text);
    expect(makePrivate({ message, ttlMsMax: 1000 })).toBe(message.bytes);
  });

  it('goes together with cutting, on either side of the list', () => {
    const message = result('{"ttlMs":9999,"tools":[{"name":"a"},{"name":"b"}],"cacheScope":"public"}');
    const filtered = filterList({ message, member: 'tools', keep: (item) => item.name === 'b', private: { ttlMsMax: 10 } });
    expect(parsed(filtered)).toEqual({ ttlMs: 10, tools: [{ name: 'b' }], cacheScope: 'private' });
  });
});

describe('listItems and nextCursorOf', () => {
  it('gives the places and annotations', () => {
    const text =
      '{"tools":[{"name":"a","annotations":{"readOnlyHint":true,"destructiveHint":"no","title":"t"}},{"name":"b","annotations":3}]}';
    const message = result(text);
    const items = listItems(message, 'tools');
    expect(items).toMatchObject([{ name: 'a', annotations: { readOnlyHint: true } }, { name: 'b' }]);
    expect(items[0]?.annotations).not.toHaveProperty('destructiveHint');
    expect(items.map(({ span }) => JSON.parse(message.bytes.toString('utf8', span.start, span.end)) as unknown)).toEqual(
      (JSON.parse(text) as { tools: unknown[] }).tools,
    );
    expect(listItems(message, 'prompts')).toEqual([]);
  });

  it('reads the cursor', () => {
    expect(nextCursorOf(response(spaced))).toBe('é');
    expect(nextCursorOf(result('{"nextCursor":null}'))).toBeUndefined();
    expect(nextCursorOf(result('{"a":{"nextCursor":"x"}}'))).toBeUndefined();
  });
});

function result(text: string): ResponseMessage {
  return response(`{"jsonrpc":"2.0","id":1,"result":${text}}`);
}

function response(text: string): ResponseMessage {
  const scanned = scan(Buffer.from(text), scanLimits);
  if (!scanned.ok || scanned.message.kind !== 'response') throw new Error('no response');
  return scanned.message;
}

function parsed(bytes: Buffer): unknown {
  return (JSON.parse(bytes.toString()) as { result: unknown }).result;
}
