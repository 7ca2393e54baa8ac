import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RequestMessage, ResponseMessage } from '../../src/domain/message.ts';
import { gateOf } from '../../src/domain/method.ts';
import { prefixList, prefixOf, withoutPrefix } from '../../src/domain/prefix.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { uriPrefixesOf, uriPrefixOf } from '../../src/domain/uri-prefix.ts';

const prefix = prefixOf('wiki');
const upstreamName = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/).filter((name) => !name.includes('__'));

describe('withoutPrefix', () => {
  it.each([
    [
      'tools/call',
      '{ "name" : "wiki__get" ,"arguments":{"n":1E2,"name":"wiki__x"}}',
      '{ "name" : "get" ,"arguments":{"n":1E2,"name":"wiki__x"}}',
    ],
    ['prompts/get', '{"arguments":{},"name":"wiki__p"}', '{"arguments":{},"name":"p"}'],
    [
      'completion/complete',
      '{"argument":{"name":"wiki__a","value":"wiki__"},"ref":{"name":"wiki__p","type":"ref/prompt"}}',
      '{"argument":{"name":"wiki__a","value":"wiki__"},"ref":{"name":"p","type":"ref/prompt"}}',
    ],
    ['tools/call', '{"name":"wiki__wiki__get"}', '{"name":"wiki__get"}'],
    ['tools/call', '{"name":"wiki__\\u0067et/\\u00e9"}', '{"name":"\\u0067et/\\u00e9"}'],
    ['tools/call', '{"name":"wiki__é"}', '{"name":"é"}'],
  ])('%s %s: only the prefix is gone', (method, params, own) => {
    expect(strip(request(method, params))?.bytes.toString()).toBe(request(method, own).bytes.toString());
  });

  it.each([
    ['resources/read', '{"uri" : "keygate://wiki/a:1","name":"wiki__x"}', '{"uri" : "a:1","name":"wiki__x"}'],
    ['resources/subscribe', '{"uri":"wiki__a:1"}', '{"uri":"a:1"}'],
    ['resources/read', '{"uri":"keygate:\\/\\/wiki/a:1"}', '{"uri":"a:1"}'],
    ['resources/read', '{"uri":"keygate://wiki/keygate://wiki/a:1"}', '{"uri":"keygate://wiki/a:1"}'],
    [
      'completion/complete',
      '{"ref":{"uri":"keygate://wiki/a:{x}","type":"ref/resource"}}',
      '{"ref":{"uri":"a:{x}","type":"ref/resource"}}',
    ],
    ['resources/read', '{"uri":"a:1"}', '{"uri":"a:1"}'],
    ['resources/read', '{"uri":"keygate://wiki/"}', '{"uri":"keygate://wiki/"}'],
    ['resources/read', '{"uri":"keygate://docs/a:1"}', '{"uri":"keygate://docs/a:1"}'],
  ])('%s %s where URIs have prefixes: %s', (method, params, own) => {
    const message = request(method, params);
    const stripped = withoutPrefix({
      message,
      gate: gateOf(method, 'session'),
      prefix,
      uriPrefixes: uriPrefixesOf('wiki'),
      limits: scanLimits,
    });
    expect(stripped?.bytes.toString()).toBe(request(method, own).bytes.toString());
  });

  it.each([
    ['{"name":"\\u0077iki__get"}', '{"name":"get"}'],
    ['{"name":"wiki\\u005f_g\\u0065t"}', '{"name":"get"}'],
  ])('a prefix spelled with escapes is one too: %s', (params, own) => {
    expect(strip(request('tools/call', params))?.bytes.toString()).toBe(request('tools/call', own).bytes.toString());
  });

  it.each(['get', 'wiki_get', 'wiki__', 'wiki', 'WIKI__get', 'docs__get', ' wiki__get', 'awiki__get', ''])('"%s" has no prefix', (name) => {
    expect(strip(request('tools/call', JSON.stringify({ name })))).toBeUndefined();
  });

  it.each([
    ['resources/read', '{"uri":"wiki__x","name":"wiki__x"}'],
    ['completion/complete', '{"ref":{"type":"ref/resource","uri":"x","name":"wiki__x"}}'],
    ['tools/list', '{"name":"wiki__x"}'],
    ['initialize', '{}'],
  ])('%s names no tool and no prompt, so the bytes are the same', (method, params) => {
    const message = request(method, params);
    expect(strip(message)).toBe(message);
  });

  it('changes nothing else, whatever stands around the name', () => {
    const around = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }));
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(upstreamName, name, around, fc.constantFrom(undefined, 1, '\t'), fc.boolean(), (upstream, own, args, indent, last) => {
        const write = (text: string) => {
          const params = last ? { arguments: args, name: text } : { name: text, arguments: args };
          return JSON.stringify({ jsonrpc: '2.0', id: 'wiki__1', method: 'tools/call', params }, null, indent);
        };
        const scanned = scan(Buffer.from(write(prefixOf(upstream) + own)), scanLimits);
        fc.pre(scanned.ok);
        if (!scanned.ok || scanned.message.kind !== 'request') throw new Error('no request');
        const gate = gateOf('tools/call', 'session');
        const forwarded = withoutPrefix({ message: scanned.message, gate, prefix: prefixOf(upstream), limits: scanLimits });
        expect(forwarded?.bytes.toString()).toBe(write(own));
        expect(forwarded?.params.name).toBe(own);
        const span = forwarded?.params.arguments;
        expect(JSON.parse(forwarded?.bytes.toString('utf8', span?.start, span?.end) ?? '')).toEqual(JSON.parse(JSON.stringify(args)));
      }),
      { seed: 20270115, numRuns: 400 },
    );
  });
});

describe('prefixList', () => {
  it('puts the prefix before each kept name and touches no other byte', () => {
    const before =
      '{"tools":[ {"name" : "a","n":1E2, "title":"name"} ,{"inputSchema":{"name":"b","properties":{"name":{}}},"name":"\\u0062"},{"name":"c"}],"nextCursor":"a","name":"a"}';
    const listed = list(before, 'tools', (name) => name !== 'c');
    const after = before.replace('"name" : "a"', '"name" : "wiki__a"').replace('"\\u0062"', '"wiki__\\u0062"').replace(',{"name":"c"}', '');
    expect(listed.toString()).toBe(result(after).bytes.toString());
  });

  it('goes together with caching made private, and with half a surrogate pair in a name', () => {
    const listed = prefixList({
      message: result('{"ttlMs":9999,"prompts":[{"name":"\\ud800"},{"name":1},{"name":"x"}],"cacheScope":"public"}'),
      member: 'prompts',
      keep: () => true,
      prefix,
      private: { ttlMsMax: 10 },
      limits: { ...scanLimits, loneSurrogates: true },
    });
    expect(listed.toString()).toContain('{"ttlMs":10,"prompts":[{"name":"wiki__\\ud800"},{"name":"wiki__x"}],"cacheScope":"private"}');
  });

  it('gives the same buffer for an empty list, an error, and a result without the list', () => {
    for (const text of ['{"tools":[]}', '{}', '{"prompts":[{"name":"a"}]}']) {
      const message = result(text);
      expect(prefixList({ message, member: 'tools', keep: () => true, prefix, limits: scanLimits })).toBe(message.bytes);
    }
  });

  it('equals prefixing the parsed value', () => {
    const item = fc.record({ name: fc.string({ unit: 'binary' }), more: fc.jsonValue({ maxDepth: 2 }) }, { requiredKeys: ['name'] });
    const value = fc.record({ before: fc.jsonValue(), tools: fc.array(item) }, { requiredKeys: ['tools'] });
    fc.assert(
      fc.property(value, upstreamName, fc.constantFrom(undefined, 1, '\t'), fc.func(fc.boolean()), (given, upstream, indent, keep) => {
        const plain = JSON.parse(JSON.stringify(given)) as typeof given;
        const write = (tools: unknown) => JSON.stringify({ jsonrpc: '2.0', id: 1, result: { ...plain, tools } }, null, indent);
        const scanned = scan(Buffer.from(write(plain.tools)), limits);
        if (!scanned.ok || scanned.message.kind !== 'response') throw new Error('no response');
        const options = { member: 'tools', prefix: prefixOf(upstream), limits } as const;
        const listed = prefixList({ ...options, message: scanned.message, keep: ({ name }) => keep(name) });
        const tools = plain.tools.filter(({ name }) => keep(name)).map((tool) => ({ ...tool, name: prefixOf(upstream) + tool.name }));
        expect(JSON.parse(listed.toString())).toEqual(JSON.parse(write(tools)));
        if (tools.length === plain.tools.length) expect(listed.toString()).toBe(write(tools));
      }),
      { seed: 20270116, numRuns: 300 },
    );
  });

  it.each([
    [
      'resources',
      'uri',
      '{"resources":[{"uri" : "a:1","name":"n"},{"name":"x"},{"uri":"b:1"}]}',
      '{"resources":[{"uri" : "keygate://wiki/a:1","name":"wiki__n"},{"uri":"keygate://wiki/b:1"}]}',
    ],
    [
      'resourceTemplates',
      'uriTemplate',
      '{"resourceTemplates":[{"uriTemplate":"a:{x}","uri":"a:1"}]}',
      '{"resourceTemplates":[{"uriTemplate":"keygate://wiki/a:{x}","uri":"keygate://wiki/a:1"}]}',
    ],
  ] as const)('%s have theirs before name and %s', (member, _by, before, after) => {
    const bytes = prefixList({ message: result(before), member, keep: () => true, prefix, uriPrefix: uriPrefixOf('wiki'), limits });
    expect(bytes.toString()).toBe(`{"jsonrpc":"2.0","id":1,"result":${after}}`);
  });

  it('a listed name, called, is the upstream’s own again', () => {
    const name = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.isWellFormed());
    fc.assert(
      fc.property(name, (own) => {
        const listed = JSON.parse(list(JSON.stringify({ tools: [{ name: own }] }), 'tools', () => true).toString()) as {
          result: { tools: [{ name: string }] };
        };
        const [tool] = listed.result.tools;
        expect(strip(request('tools/call', JSON.stringify({ name: tool.name })))?.params.name).toBe(own);
      }),
      { seed: 20270117, numRuns: 200 },
    );
  });
});

const limits = { ...scanLimits, loneSurrogates: true };

function strip(message: RequestMessage): RequestMessage | undefined {
  return withoutPrefix({ message, gate: gateOf(message.method, 'session'), prefix, limits: scanLimits });
}

function list(text: string, member: 'tools' | 'prompts', keep: (name: string | undefined) => boolean): Buffer {
  return prefixList({ message: result(text), member, keep: ({ name }) => keep(name), prefix, limits });
}

function request(method: string, params: string): RequestMessage {
  const scanned = scan(Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`), scanLimits);
  if (!scanned.ok || scanned.message.kind !== 'request') throw new Error(`no request: ${params}`);
  return scanned.message;
}

function result(text: string): ResponseMessage {
  const scanned = scan(Buffer.from(`{"jsonrpc":"2.0","id":1,"result":${text}}`), limits);
  if (!scanned.ok || scanned.message.kind !== 'response') throw new Error('no response');
  return scanned.message;
}
