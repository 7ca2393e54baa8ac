import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { metaTexts, noSession, openBridgedSession, readBridgedSession } from '../../src/domain/bridged-session.ts';
import type { Message } from '../../src/domain/message.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { asSessionRequest, asStatelessAnswer, stamped, wishesOf, withToken } from '../../src/domain/session-form.ts';
import { asStateless, unfinishedType } from '../../src/domain/stateless-form.ts';

function read<Kind extends Message['kind']>(text: string, kind: Kind): Extract<Message, { kind: Kind }> {
  const scanned = scan(Buffer.from(text), scanLimits);
  if (!scanned.ok || scanned.message.kind !== kind) throw new Error(scanned.ok ? scanned.message.kind : scanned.detail);
  return scanned.message as Extract<Message, { kind: Kind }>;
}

const plain = fc.jsonValue({ maxDepth: 3 });
/** Members that are read under no other name: the scanner refuses variants of those that decide. */
const name = fc.stringMatching(/^x[a-z]{0,6}$/);
const params = fc.dictionary(name, plain, { maxKeys: 4, noNullPrototype: true });

describe('a request from one era to the other', () => {
  it('and back again is the same request, whatever stands in it', () => {
    fc.assert(
      fc.property(params, fc.option(params, { nil: undefined }), fc.integer({ min: 0, max: 4 }), (own, meta, indent) => {
        const sent = { ...own, ...(meta && { _meta: meta }) };
        const message = read(JSON.stringify({ jsonrpc: '2.0', id: 'own', method: 'prompts/list', params: sent }, null, indent), 'request');
        const there = asStateless(message, metaTexts(noSession));
        const back = asSessionRequest(there, 12);
        const parsed = JSON.parse(back.bytes.toString()) as { id: number; params: Record<string, unknown> };
        expect(parsed.id).toBe(12);
        expect(parsed.params).toEqual({ ...own, _meta: meta ?? {} });
        expect(there.params.metaProtocolVersion).toBe('2026-07-28');
        expect(there.params.metaClientCapabilities).toBe(true);
        expect(there.id).toBe('own');
      }),
      { seed: 20_261_130 },
    );
  });

  it('keeps every byte that is not named', () => {
    const text = '{ "params" : {"arguments":{"n":1.50e+1,"s":"\\u00e4"}, "name":"e"} , "id":1,"method":"tools/call","jsonrpc":"2.0"}';
    const there = asStateless(read(text, 'request'), ['"a":1']).bytes.toString();
    expect(there).toBe(text.replace('{"arguments', '{"_meta":{"a":1},"arguments'));
    const back = asSessionRequest(read(there, 'request'), 3).bytes.toString();
    expect(back).toBe(there.replace('"id":1', '"id":3'));
  });

  it('what it wishes is read', () => {
    const ask = (meta: object) => read(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta: meta } }), 'request');
    expect(wishesOf(ask({ 'io.modelcontextprotocol/logLevel': 'debug', progressToken: 'ä' }))).toEqual({
      logLevel: 'debug',
      progressToken: '"ä"',
    });
    expect(wishesOf(ask({ 'io.modelcontextprotocol/logLevel': 'loud' }))).toEqual({});
    expect(wishesOf(read('{"jsonrpc":"2.0","id":1,"method":"tools/list"}', 'request'))).toEqual({});
  });
});

describe('an answer for a stateless client', () => {
  const answer = (result: string) => read(`{"jsonrpc":"2.0","result":${result},"id":5}`, 'response');

  it.each([
    ['tools/call', '{}', '{"resultType":"complete"}'],
    ['tools/call', '{"resultType":"task","n":1.0}', '{"resultType":"complete","n":1.0}'],
    ['tools/list', '{"tools":[]}', '{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[]}'],
    ['tools/list', '{"ttlMs":9,"tools":[]}', '{"resultType":"complete","cacheScope":"private","ttlMs":9,"tools":[]}'],
    ['tools/list', '[1]', '[1]'],
  ])('%s %s', (method, result, expected) => {
    const bytes = asStatelessAnswer(answer(result), { id: '"own"', method });
    expect(bytes.toString()).toBe(`{"jsonrpc":"2.0","result":${expected},"id":"own"}`);
  });

  it('an error has no result to complete', () => {
    const error = read('{"jsonrpc":"2.0","id":5,"error":{"code":-32602,"message":"no"}}', 'response');
    expect(asStatelessAnswer(error, { id: '7', method: 'tools/list' }).toString()).toBe(
      '{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"no"}}',
    );
  });

  it.each([
    ['{"resultType":"complete"}', undefined],
    ['{}', undefined],
    ['{"resultType":"input_required"}', 'input_required'],
    ['{"resultType":5}', 'unknown'],
  ])('%s is unfinished: %s', (result, type) => {
    expect(unfinishedType(answer(result))).toBe(type);
  });
});

describe('notifications', () => {
  const note = (member: string) => read(`{"jsonrpc":"2.0","method":"notifications/progress"${member}}`, 'notification');

  it("progress gets the client's token back, and only that of its own call", () => {
    const own = { id: 4, progressToken: '"mine"' };
    expect(withToken(note(',"params":{"progressToken":4,"progress":1.0}'), own)?.toString()).toContain(
      '{"progressToken":"mine","progress":1.0}',
    );
    expect(withToken(note(',"params":{"progressToken":"4","progress":1}'), own)).toBeUndefined();
    expect(withToken(note(',"params":{"progressToken":4}'), { ...own, progressToken: undefined })).toBeUndefined();
    expect(withToken(note(''), own)).toBeUndefined();
  });

  it.each([
    '',
    ',"params":{}',
    ',"params":{"uri":"a://b"}',
    ',"params":{"_meta":{"x":1},"uri":"a://b"}',
    ',"params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"forged"}}',
  ])('a change is stamped with its subscription: %s', (member) => {
    const parsed = JSON.parse(stamped(note(member), '"sub"').toString()) as { params: { _meta: object } };
    expect(parsed.params._meta).toMatchObject({ 'io.modelcontextprotocol/subscriptionId': 'sub' });
    expect(read(JSON.stringify(parsed), 'notification').params.uri).toBe(note(member).params.uri);
  });
});

describe('a session that is its own id', () => {
  const begin = (params: object) => read(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }), 'request');

  it('says what the client said, without what cannot be asked of it', () => {
    const client = { name: 'c', title: 'C', version: '1', websiteUrl: 'https://c.test' };
    const id = openBridgedSession(begin({ clientInfo: client, capabilities: { sampling: {}, roots: {}, extensions: { a: {} } } }), 'n');
    const read = readBridgedSession(id);
    expect([read?.nonce, JSON.parse(read?.client ?? ''), JSON.parse(read?.capabilities ?? '')]).toEqual([
      'n',
      { name: 'c', title: 'C', version: '1' },
      { extensions: { a: {} } },
    ]);
  });

  it.each([{}, { clientInfo: 5, capabilities: [] }, { clientInfo: { name: 'c' } }])(
    'is anonymous where it says nothing that could be used: %j',
    (params) => {
      expect(readBridgedSession(openBridgedSession(begin(params), 'n'))).toEqual({ ...noSession, nonce: 'n' });
    },
  );

  it("a server's own id is none", () => {
    for (const id of [undefined, '', 'abc', 'keygate-bridge']) expect(readBridgedSession(id)).toBeUndefined();
  });
});
