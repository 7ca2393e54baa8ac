import { describe, expect, it } from 'vitest';
import type { Message, MessageId, RequestMessage, ResponseMessage } from '../../src/domain/message.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';

describe('scan: messages', () => {
  it('reads a call and the places of its parts', () => {
    const text = ' {"jsonrpc":"2.0", "id":"a\\u00e9" ,"method":"tools/call","params":{"name":"get","arguments":{"q":1},"task":{}}}\n';
    const message = accepted(text) as RequestMessage;
    expect(message).toMatchObject({ kind: 'request', id: 'aé', method: 'tools/call', params: { name: 'get', task: true } });
    expect(at(message, message.idSpan)).toBe('"a\\u00e9"');
    expect(at(message, message.params.arguments)).toBe('{"q":1}');
    expect(message.bytes.toString()).toBe(text);
  });

  it('counts places in bytes, not characters', () => {
    const message = accepted(
      '{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"漢字😀","arguments":{"é":"ü"}}}',
    ) as RequestMessage;
    expect(message.params.name).toBe('漢字😀');
    expect(at(message, message.params.arguments)).toBe('{"é":"ü"}');
  });

  it('reads the members wherever they stand', () => {
    const message = accepted('{"params":{"arguments":{},"name":"n"},"method":"tools/call","id":-7,"jsonrpc":"2.0"}');
    expect(message).toMatchObject({ kind: 'request', id: -7, method: 'tools/call', params: { name: 'n' } });
  });

  it('reads everything that decides', () => {
    const meta = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"x":1}';
    const read = accepted(request('resources/read', `{"uri":"a://b","requestState":"s","_meta":${meta}}`)) as RequestMessage;
    expect(read.params).toMatchObject({ uri: 'a://b', metaProtocolVersion: '2026-07-28', metaClientCapabilities: true });
    expect(at(read, read.params.requestState)).toBe('"s"');
    expect(accepted(request('completion/complete', '{"ref":{"type":"ref/prompt","name":"p","title":"t"}}'))).toMatchObject({
      params: { ref: { type: 'ref/prompt', name: 'p' } },
    });
    expect(accepted(request('tasks/cancel', '{"taskId":"t"}'))).toMatchObject({ params: { taskId: 't' } });
    expect(accepted(request('initialize', '{"protocolVersion":"2025-11-25"}'))).toMatchObject({
      params: { protocolVersion: '2025-11-25' },
    });
  });

  it('reads a cancellation and the place of its request id', () => {
    const message = accepted('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId": "r-1","reason":"x"}}');
    expect(message).toMatchObject({ kind: 'notification', params: { cancels: { id: 'r-1' } } });
    expect(message.kind === 'notification' && at(message, message.params.cancels?.span)).toBe('"r-1"');
  });

  it('reads responses', () => {
    const good = accepted('{"jsonrpc":"2.0","id":0,"result":{"content":[],"isError":true}}') as ResponseMessage;
    expect(good).toMatchObject({ kind: 'response', id: 0, outcome: 'result', isError: true });
    expect(at(good, good.body)).toBe('{"content":[],"isError":true}');
    expect(accepted('{"jsonrpc":"2.0","id":0,"result":{"isError":false,"x":{"isError":true}}}')).not.toHaveProperty('isError');
    const bad = accepted('{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no","data":[1]}}') as ResponseMessage;
    expect(bad).toMatchObject({ id: null, outcome: 'error', errorCode: -32600 });
    expect(at(bad, bad.body)).toBe('{"code":-32600,"message":"no","data":[1]}');
  });

  it('leaves a deciding member of the wrong type out where the method does not decide on it', () => {
    const message = accepted(request('tools/list', '{"name":5,"uri":null,"ref":1,"arguments":[],"requestId":1.5,"task":null,"_meta":3}'));
    expect(message).toMatchObject({ params: {} });
    expect(message.kind !== 'response' && Object.keys(message.params)).toEqual([]);
  });
});

describe('scan: what is no JSON', () => {
  it.each([
    ['nothing', ''],
    ['whitespace', ' \n'],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0","method":"x"}'],
    ['a second value', '{"jsonrpc":"2.0","method":"x"}{}'],
    ['a NUL behind the value', '{"jsonrpc":"2.0","method":"x"}\0'],
    ['a trailing comma', '{"jsonrpc":"2.0","method":"x",}'],
    ['a trailing comma in an array', request('x', '{"a":[1,]}')],
    ['a missing colon', '{"jsonrpc" "2.0"}'],
    ['single quotes', "{'jsonrpc':'2.0'}"],
    ['a comment', '{"jsonrpc":"2.0"/**/,"method":"x"}'],
    ['a control character', request('x', '{"a":"\n"}')],
    ['an unknown escape', request('x', '{"a":"\\x41"}')],
    ['a short unicode escape', request('x', '{"a":"\\u12"}')],
    ['a leading zero', request('x', '{"a":01}')],
    ['a bare point', request('x', '{"a":1.}')],
    ['NaN', request('x', '{"a":NaN}')],
    ['a plus sign', request('x', '{"a":+1}')],
    ['a cut word', request('x', '{"a":tru}')],
    ['an unusual space', '{\u00a0"jsonrpc":"2.0","method":"x"}'],
    ['an end too early', '{"jsonrpc":"2.0","method":"x"'],
    ['a batch cut short', '[{"jsonrpc":"2.0"}'],
  ])('refuses %s', (_what, text) => expect(refusal(text)).toMatchObject({ reason: 'PARSE_ERROR' }));

  it.each([
    ['an overlong form', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['more than U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a first byte that leads beyond', [0xf5, 0x80, 0x80, 0x80]],
    ['a continuation alone', [0x80]],
    ['a sequence cut short', [0xe2, 0x82]],
    ['Latin-1', [0xe9]],
  ])('refuses %s', (_what, raw) => {
    const bytes = Buffer.concat([Buffer.from('{"jsonrpc":"2.0","method":"'), Buffer.from(raw), Buffer.from('"}')]);
    expect(scan(bytes, scanLimits)).toMatchObject({ ok: false, reason: 'PARSE_ERROR', detail: 'Not UTF-8 at byte 27.' });
  });
});

describe('scan: what is JSON and no message', () => {
  it.each([
    ['a name twice', '{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}'],
    ['a name twice, once escaped', request('tools/call', '{"name":"a","n\\u0061me":"b"}')],
    ['a name twice, deep inside', request('tools/call', '{"name":"a","arguments":{"x":[{"y":{"z":1,"z":1}}]}}')],
    ['a name twice in a result', '{"jsonrpc":"2.0","id":1,"result":{"a":1,"a":1}}'],
    ['half a surrogate pair', request('tools/call', '{"name":"\\ud800"}')],
    ['the other half', request('x', '{"\\udc00":1}')],
    ['halves the wrong way round', request('x', '{"a":"\\udc00\\ud800"}')],
    ['two second halves', request('x', '{"a":"\\udc00\\udc00"}')],
    ['a first half before another character', request('x', '{"a":"\\ud800\\ue000"}')],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"x"}'],
    ['a version as number', '{"jsonrpc":2.0,"id":1,"method":"x"}'],
    ['no version', '{"id":1,"method":"x"}'],
    ['"Method"', '{"jsonrpc":"2.0","id":1,"method":"x","Method":"y"}'],
    ['"ID"', '{"jsonrpc":"2.0","id":1,"method":"x","ID":2}'],
    ['"param\u017f"', '{"jsonrpc":"2.0","id":1,"method":"x","param\u017f":{}}'],
    ['an unknown member', '{"jsonrpc":"2.0","id":1,"method":"x","__proto__":{}}'],
    ['an empty method', '{"jsonrpc":"2.0","id":1,"method":""}'],
    ['a method that is no string', '{"jsonrpc":"2.0","id":1,"method":["x"]}'],
    ['a long method', `{"jsonrpc":"2.0","id":1,"method":"${'ü'.repeat(129)}"}`],
    ['params null', request('x', 'null')],
    ['params as array', request('x', '[1]')],
    ['method and result', '{"jsonrpc":"2.0","id":1,"method":"x","result":{}}'],
    ['method and error', '{"jsonrpc":"2.0","id":1,"method":"x","error":{"code":1,"message":""}}'],
    ['result and error', '{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}'],
    ['neither', '{"jsonrpc":"2.0","id":1}'],
    ['params in a response', '{"jsonrpc":"2.0","id":1,"result":{},"params":{}}'],
    ['a fraction as error code', '{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}'],
    ['an error without message', '{"jsonrpc":"2.0","id":1,"error":{"code":1}}'],
    ['an error as text', '{"jsonrpc":"2.0","id":1,"error":"no"}'],
  ])('refuses %s', (_what, text) => expect(refusal(text)).toMatchObject({ reason: 'INVALID_MESSAGE' }));

  it.each(['null', '1.0', '1e2', '1.5', '-0', '9007199254740992', '-9007199254740993', '{}', '[1]', 'true', `"${'x'.repeat(257)}"`])(
    'refuses the id %s',
    (id) => expect(refusal(`{"jsonrpc":"2.0","id":${id},"method":"x"}`)).toMatchObject({ reason: 'INVALID_MESSAGE', id: null }),
  );

  it.each(['0', '-1', '9007199254740991', '-9007199254740991', '""', `"${'x'.repeat(256)}"`, '"\\u0000"'])('takes the id %s', (id) => {
    expect(accepted(`{"jsonrpc":"2.0","id":${id},"method":"x"}`)).toMatchObject({ id: JSON.parse(id) as MessageId });
  });

  it.each([
    '{"jsonrpc":"2.0","result":{}}',
    '{"jsonrpc":"2.0","error":{"code":1,"message":""}}',
    '{"jsonrpc":"2.0","id":null,"result":{}}',
  ])('refuses a response without an id: %s', (text) => expect(refusal(text)).toMatchObject({ reason: 'INVALID_MESSAGE', id: null }));

  it('A04: refuses batches, and says so', () => {
    const call = request('tools/call', '{"name":"n"}');
    for (const text of ['[]', '[1]', `[${call}]`, `[${Array(1000).fill(call).join()}]`, `[[${call}]]`]) {
      expect(refusal(text)).toMatchObject({ reason: 'INVALID_MESSAGE', detail: expect.stringContaining('Batches are refused'), id: null });
    }
  });

  it.each(['1', '"x"', 'null', 'true'])('refuses the bare value %s', (text) => expect(refusal(text).reason).toBe('INVALID_MESSAGE'));
});

describe('scan: members that decide', () => {
  it.each([
    ['tools/call', '{"name":5}', 'name'],
    ['tools/call', '{}', 'name'],
    ['tools/call', '{"name":"n","arguments":null}', 'arguments'],
    ['tools/call', '{"name":"n","arguments":[]}', 'arguments'],
    ['tools/call', '{"name":"n","task":true}', 'task'],
    ['tools/call', '{"name":"n","requestState":1}', 'requestState'],
    ['prompts/get', '{"name":null}', 'name'],
    ['prompts/get', '{"name":"n","arguments":"x"}', 'arguments'],
    ['resources/read', '{}', 'uri'],
    ['resources/subscribe', '{"uri":["a"]}', 'uri'],
    ['resources/unsubscribe', '{"uri":1}', 'uri'],
    ['resources/unsubscribe', '{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}}', 'uri'],
    ['completion/complete', '{"ref":"ref/prompt"}', 'ref'],
    ['completion/complete', '{}', 'ref'],
    ['completion/complete', '{"ref":{"name":"n"}}', 'ref.type'],
    ['completion/complete', '{"ref":{"type":"ref/prompt","name":1}}', 'ref.name'],
    ['completion/complete', '{"ref":{"type":"ref/resource","name":"n"}}', 'ref'],
    ['tasks/result', '{}', 'taskId'],
    ['notifications/cancelled', '{"requestId":1.5}', 'requestId'],
    ['initialize', '{"protocolVersion":1}', 'protocolVersion'],
  ])('%s with %s names params.%s', (method, params, member) => {
    const refused = refusal(request(method, params));
    expect(refused).toMatchObject({ reason: 'INVALID_MESSAGE', id: 1 });
    expect(refused.detail).toContain(`params.${member} must be`);
  });

  it('refuses a call without params', () => {
    expect(refusal('{"jsonrpc":"2.0","id":1,"method":"tools/call"}').detail).toContain('params.name');
  });

  it.each([
    ...['{"Name":"a"}', '{"name":"a","NAME":"b"}', '{"URI":1}', '{"argument\u017f":{}}', '{"argument\\u017f":{}}', '{"taſk":{}}'],
    ...[
      '{"tas\u212aId":"t"}',
      '{"REF":{}}',
      '{"requestid":1}',
      '{"_Meta":{}}',
      '{"requeststate":""}',
      '{"progresstoken":1}',
      '{"urı":1}',
      '{"UR\u0130":1}',
    ],
    ...['{"ref":{"Type":"x"}}', '{"ref":{"NAME":"x"}}', '{"_meta":{"IO.modelcontextprotocol/protocolVersion":"x"}}'],
    '{"_meta":{"io.modelcontextprotocol/clientcapabilities":{}}}',
  ])('refuses the variant %s of a deciding name in any method', (params) => {
    expect(refusal(request('tools/list', params))).toMatchObject({ reason: 'INVALID_MESSAGE', id: 1 });
  });

  it.each([
    '{"title":"x","names":1,"_metadata":{},"progressToken":1}',
    '{"ref":{"title":"x"}}',
    '{"_meta":{"Name":1,"URI":2}}',
    '{"x":{"Name":1}}',
  ])('takes other names: %s', (params) => expect(accepted(request('tools/list', params)).kind).toBe('request'));

  it('takes the same names in sibling objects, few or many, plain or escaped', () => {
    const object = (count: number) => `{${Array.from({ length: count }, (_, index) => `"k${index}":{"k0":0,"\\u006b1":1}`).join()}}`;
    const siblings = [3, 40, 3, 40, 40, 17, 16].map(object).join();
    expect(accepted(request('tools/call', `{"name":"n","arguments":{"a":[${siblings}]}}`)).kind).toBe('request');
  });

  it('A02: takes __proto__, constructor and toString as ordinary names', () => {
    const params = '{"__proto__":{"name":"evil"},"constructor":1,"name":"toString","arguments":{"__proto__":{"x":1}}}';
    const message = accepted(request('tools/call', params)) as RequestMessage;
    expect(message.params.name).toBe('toString');
    expect(Object.getPrototypeOf(message.params)).toBe(Object.prototype);
    expect(refusal(request('tools/call', '{"__proto__":{"name":"evil"}}')).detail).toContain('params.name');
    expect(accepted(request('constructor', '{}'))).toMatchObject({ method: 'constructor' });
    expect('name' in Object.prototype || 'x' in Object.prototype).toBe(false);
  });
});

describe('scan: the id that a refusal names', () => {
  it.each<[string, string, MessageId | null]>([
    ['stands behind the offence', '{"jsonrpc":"2.0","method":"x","params":null,"id":7}', 7],
    ['stands behind a duplicate', '{"jsonrpc":"2.0","method":"x","method":"y","id":"q"}', 'q'],
    ['stands before the text is cut', '{"jsonrpc":"2.0","id":3,"method":', 3],
    ['stands twice', '{"jsonrpc":"2.0","id":3,"method":"x","id":3}', null],
    ['stands twice, once escaped', '{"jsonrpc":"2.0","id":3,"method":"x","\\u0069d":4}', null],
    ['stands inside another member', '{"jsonrpc":"2.0","params":{"id":3},"Method":"x"}', null],
    ['is half a surrogate pair', '{"jsonrpc":"2.0","id":"\\ud800","method":"x"}', null],
    ['is absent', '{"jsonrpc":"2.0","method":""}', null],
  ])('%s', (_where, text, id) => expect(refusal(text).id).toBe(id));

  it('repeats nothing else of the body', () => {
    expect(refusal('{"jsonrpc":"2.0","secret-sauce":1}').detail).not.toContain('secret');
  });
});

describe('scan: limits', () => {
  const limits = { depthMax: 4, nodesMax: 10 };

  it('takes what reaches a limit and refuses what passes it', () => {
    const nested = (depth: number) => Buffer.from(request('x', `{"a":${'['.repeat(depth - 2)}${']'.repeat(depth - 2)}}`));
    expect(scan(nested(4), limits).ok).toBe(true);
    expect(scan(nested(5), limits)).toMatchObject({ reason: 'INVALID_MESSAGE', detail: expect.stringContaining('deeper than 4'), id: 1 });
    // Four members of the envelope, one of params, and the elements.
    const wide = (nodes: number) =>
      Buffer.from(
        request(
          'x',
          `{"a":[${Array(nodes - 5)
            .fill(0)
            .join()}]}`,
        ),
      );
    expect(scan(wide(10), limits).ok).toBe(true);
    expect(scan(wide(11), limits)).toMatchObject({ reason: 'INVALID_MESSAGE', detail: expect.stringContaining('more than 10'), id: 1 });
  });

  it('A01: refuses 10.9 MB with a million keys in bounded time', () => {
    const keys = Array.from({ length: 1_000_000 }, (_, index) => `"k${String(index).padStart(6, '0')}":`);
    const bytes = Buffer.from(request('tools/call', `{"name":"n","arguments":{${keys.map((key) => `${key}0`).join()}}}`));
    expect(bytes.length).toBeGreaterThan(10_900_000);
    const start = performance.now();
    expect(scan(bytes, scanLimits)).toMatchObject({ ok: false, reason: 'INVALID_MESSAGE', id: 1 });
    expect(performance.now() - start).toBeLessThan(500);
  });

  it.each(['[', '{"a":'])('A01: refuses a depth of a million of %s at once, on no stack', (open) => {
    const bytes = Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":${open.repeat(1_000_000)}`);
    const start = performance.now();
    expect(scan(bytes, scanLimits)).toMatchObject({ ok: false, reason: 'INVALID_MESSAGE', id: 1 });
    expect(performance.now() - start).toBeLessThan(100);
  });

  it('walks any depth that the limits allow without using the stack', () => {
    const bytes = Buffer.from(request('x', `{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`));
    expect(scan(bytes, { depthMax: 2_000_000, nodesMax: 2_000_000 }).ok).toBe(true);
  });

  it('reads a long text in time that grows with its length', () => {
    const bytes = Buffer.from(request('tools/call', `{"name":"n","arguments":{"t":"${'x'.repeat(4_000_000)}"}}`));
    const start = performance.now();
    expect(scan(bytes, scanLimits).ok).toBe(true);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

function request(method: string, params: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`;
}

function accepted(text: string): Message {
  const scanned = scan(Buffer.from(text), scanLimits);
  if (!scanned.ok) throw new Error(`refused: ${scanned.detail}`);
  return scanned.message;
}

function refusal(text: string): { reason: string; detail: string; id: MessageId | null } {
  const scanned = scan(Buffer.from(text), scanLimits);
  if (scanned.ok) throw new Error('accepted');
  return scanned;
}

function at(message: Message, span: { start: number; end: number } | undefined): string | undefined {
  return span && message.bytes.toString('utf8', span.start, span.end);
}
