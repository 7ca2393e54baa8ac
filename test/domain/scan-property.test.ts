import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Scanned } from '../../src/domain/message.ts';
import { scan, scanLimits } from '../../src/domain/scan.ts';
import { verdictOf } from '../support/scan-verdict.ts';
import { strictJson } from '../support/strict-json.ts';
import { strictMessage } from '../support/strict-message.ts';

/** Fixed, so that a failure is the same on every machine; change it to look elsewhere. */
const runSeed = 20261121;

const methods = [
  ...['tools/call', 'prompts/get', 'resources/read', 'resources/subscribe', 'completion/complete', 'tasks/get', 'initialize'],
  ...['tools/list', 'ping', 'notifications/cancelled', 'notifications/progress', 'toString', '__proto__', 'x/ÿ'],
];
const paramNames = [
  ...['name', 'uri', 'ref', 'taskId', 'task', 'arguments', 'requestId', 'protocolVersion', 'requestState', '_meta', 'cursor'],
  ...['Name', 'URI', 'taſk', 'tasKId', 'argument\u017f', 'urı', 'Ref', '_META', '__proto__', 'constructor', 'progressToken'],
];
const anyId = fc.oneof(fc.maxSafeInteger(), fc.string({ maxLength: 12 }), fc.constantFrom(1.5, null, '', 2 ** 60, -1, 'ü'.repeat(200)));
const meta = fc.dictionary(
  fc.constantFrom(
    'io.modelcontextprotocol/protocolVersion',
    'io.modelcontextprotocol/clientCapabilities',
    'io.modelcontextprotocol/protocolversion',
    'progressToken',
  ),
  fc.jsonValue({ maxDepth: 1 }),
);
const ref = fc.dictionary(
  fc.constantFrom('type', 'name', 'uri', 'Type', 'other'),
  fc.oneof(fc.constantFrom('ref/prompt', 'ref/resource'), fc.jsonValue({ maxDepth: 1 })),
);
const anyValue = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.object({ maxDepth: 2, values: [fc.string(), fc.integer()] }),
  anyId,
);
const pairs = (names: fc.Arbitrary<string>, values: fc.Arbitrary<unknown>) => fc.array(fc.tuple(names, values), { maxLength: 7 });
const params = fc.oneof(
  pairs(fc.constantFrom(...paramNames), fc.oneof(anyValue, meta, ref, fc.constant({}))).map(asPairs),
  fc.record({ name: fc.string(), arguments: fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 })) }, { requiredKeys: ['name'] }),
  fc.record({ uri: fc.webUrl(), requestState: anyValue, _meta: meta }, { requiredKeys: ['uri'] }),
  fc.record({ ref }),
  fc.record({ requestId: anyId }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Valid by construction: each is what a client or server of some MCP version sends. */
const validMessage = fc.oneof(
  fc.record({ jsonrpc: fc.constant('2.0'), id: validId(), method: fc.constant('tools/call'), params: callParams() }),
  fc.record({
    jsonrpc: fc.constant('2.0'),
    id: validId(),
    method: fc.constantFrom('resources/read'),
    params: fc.record({ uri: fc.webUrl() }),
  }),
  fc.record({ jsonrpc: fc.constant('2.0'), method: fc.constantFrom('notifications/initialized', 'notifications/x') }),
  fc.record({ jsonrpc: fc.constant('2.0'), id: validId(), result: fc.jsonValue({ maxDepth: 3 }) }),
  fc.record({
    jsonrpc: fc.constant('2.0'),
    id: fc.oneof(validId(), fc.constant(null)),
    error: fc.record({ code: fc.integer(), message: fc.string() }),
  }),
);
/** Anything that resembles a message: members may be missing, of the wrong type, or stand twice. */
const likelyMessage = fc
  .tuple(
    fc.constantFrom('2.0', '2.0', '2.0', '2.0', 2),
    fc.option(anyId, { nil: undefined }),
    fc.constantFrom(...methods),
    params,
    fc.boolean(),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      pairs(fc.constantFrom('id', 'Method', 'result', 'error', 'ID', 'method'), anyValue),
    ),
  )
  .map(([jsonrpc, id, method, given, hasParams, more]) =>
    asPairs([
      ['jsonrpc', jsonrpc],
      ...(id === undefined ? [] : ([['id', id]] as [string, unknown][])),
      ['method', method],
      ...(hasParams ? ([['params', given]] as [string, unknown][]) : []),
      ...more,
    ]),
  );

const seed = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const snippets = [
  ...['"', '\\', '\\u0061', '\\ud800', '\\udc00', '\\ud83d\\ude00', '\\x', '\\u12g4', ',', ':', '{', '}', '[', ']', 'null', 'true'],
  ...['-0', '01', '1.0', '1e2', '1.', '.5', '+1', '-', '9007199254740993', '\u0000', '\t', '\n', '\ufeff', '//', 'NaN', ',"id":2'],
  ...['"id":1,', '"method":"x",', ',"params":{}', '"name":"n",', '"n\\u0061me":"n",', '"Name":"n",', '\u017f', '\u212a', '\u2028', '😀'],
].map((text) => Buffer.from(text));
const rawBytes = [
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe0, 0x80, 0x80],
  [0x80],
  [0xff],
  [0xf0, 0x9f],
  [0xc3, 0xbf],
];
const mutation = fc.record({
  kind: fc.constantFrom('flip', 'insert', 'delete', 'repeat', 'number'),
  at: fc.nat(),
  length: fc.integer({ min: 1, max: 24 }),
  piece: fc.constantFrom(...snippets, ...rawBytes.map((bytes) => Buffer.from(bytes))),
});

describe('scan agrees with an independent strict parser', () => {
  it('accepts valid messages, however they are spelled', () => {
    fc.assert(
      fc.property(validMessage, seed, (message, spelling) => {
        const bytes = Buffer.from(spell(message, random(spelling)));
        const scanned = scan(bytes, scanLimits);
        expect(scanned).toMatchObject({ ok: true });
        agrees(bytes, scanned);
      }),
      { seed: runSeed, numRuns: 1000 },
    );
  });

  it('judges what resembles a message the same way', () => {
    fc.assert(
      fc.property(likelyMessage, seed, (message, spelling) => {
        const bytes = Buffer.from(spell(message, random(spelling)));
        agrees(bytes, scan(bytes, scanLimits));
      }),
      { seed: runSeed, numRuns: 4000 },
    );
  });

  it('A07: judges mutated bytes the same way and never throws', () => {
    const source = fc.oneof(validMessage, likelyMessage);
    fc.assert(
      fc.property(source, seed, fc.array(mutation, { minLength: 1, maxLength: 3 }), (message, spelling, mutations) => {
        const whole: Buffer = Buffer.from(spell(message, random(spelling)));
        const bytes = mutations.reduce(mutate, whole);
        agrees(bytes, scan(bytes, scanLimits));
      }),
      { seed: runSeed, numRuns: 5000 },
    );
  });

  it('A07: judges arbitrary bytes the same way', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (raw) => agrees(Buffer.from(raw), scan(Buffer.from(raw), scanLimits))),
      { seed: runSeed, numRuns: 500 },
    );
  });

  it('finds a duplicate among any number of members', () => {
    const names = fc.uniqueArray(fc.string({ unit: 'binary', maxLength: 6 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(names, fc.nat(), seed, fc.boolean(), (unique, which, spelling, again) => {
        const next = random(spelling);
        const repeated = unique[which % unique.length] ?? '';
        const members = [...unique, ...(again ? [repeated] : [])].map((name) => `${spellText(name, next)}:0`);
        const bytes = Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"n","arguments":{${members}}}}`);
        expect(scan(bytes, scanLimits).ok).toBe(!again);
      }),
      { seed: runSeed, numRuns: 500 },
    );
  });
});

/** The scan's verdict is the independent one, and JSON.parse of what it accepted says the same. */
function agrees(bytes: Buffer, scanned: Scanned): void {
  const expected = strictMessage(bytes);
  expect({ text: bytes.toString('latin1'), verdict: verdictOf(scanned) }).toEqual({ text: bytes.toString('latin1'), verdict: expected });
  if (!scanned.ok) return;
  const { message } = scanned;
  const parsed = JSON.parse(bytes.toString()) as Record<string, unknown>;
  if (message.kind === 'response') {
    expect(parse(bytes, message.idSpan)).toEqual(message.id);
    expect(parse(bytes, message.body)).toEqual(parsed[message.outcome]);
    return;
  }
  expect(parsed.method).toBe(message.method);
  if (message.kind === 'request') expect([parsed.id, parse(bytes, message.idSpan)]).toEqual([message.id, message.id]);
  const given = (parsed.params ?? {}) as Record<string, unknown>;
  for (const name of ['name', 'uri', 'taskId', 'protocolVersion'] as const) {
    expect(message.params[name]).toBe(typeof given[name] === 'string' ? given[name] : undefined);
  }
  if (message.params.arguments) expect(parse(bytes, message.params.arguments)).toEqual(given.arguments);
  if (message.params.requestState) expect(parse(bytes, message.params.requestState)).toEqual(given.requestState);
  if (message.params.cancels) expect(parse(bytes, message.params.cancels.span)).toEqual(given.requestId);
  expect(strictJson(bytes)?.duplicates).toBe(false);
}

function parse(bytes: Buffer, span: { start: number; end: number }): unknown {
  return JSON.parse(bytes.toString('utf8', span.start, span.end));
}

function validId(): fc.Arbitrary<string | number> {
  return fc.oneof(fc.maxSafeInteger(), fc.string({ unit: 'binary', maxLength: 60 }));
}

function callParams(): fc.Arbitrary<unknown> {
  const args = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 20 });
  return fc.record(
    { name: fc.string({ unit: 'binary' }), arguments: args, _meta: fc.constant({ progressToken: 1 }) },
    { requiredKeys: ['name'] },
  );
}

class Pairs {
  readonly members: [string, unknown][];
  constructor(members: [string, unknown][]) {
    this.members = members;
  }
}

function asPairs(members: [string, unknown][]): Pairs {
  return new Pairs(members);
}

/** A small generator (xorshift32), so that fast-check shrinks and replays the spelling by its seed. */
function random(start: number): () => number {
  let state = start;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** JSON text of the value with random whitespace and escapes. Pairs may hold a name twice. */
function spell(value: unknown, next: () => number): string {
  const gap = () => ['', '', '', '', ' ', '\n', '\t ', '\r\n'][next() % 8] ?? '';
  if (typeof value === 'string') return spellText(value, next);
  if (Array.isArray(value)) return `[${gap()}${value.map((element) => spell(element, next)).join(`${gap()},${gap()}`)}${gap()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = value instanceof Pairs ? value.members : Object.entries(value);
  const texts = members.map(([name, inner]) => `${spellText(name, next)}${gap()}:${gap()}${spell(inner, next)}`);
  return `{${gap()}${texts.join(`${gap()},${gap()}`)}${gap()}}`;
}

function spellText(text: string, next: () => number): string {
  if (next() % 4 !== 0) return JSON.stringify(text);
  const units = text.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  // Escaping a whole text keeps surrogate pairs together; a mixed spelling only does so for other characters.
  if (/[\ud800-\udfff]/.test(text) || next() % 2 === 0) return `"${units.join('')}"`;
  return `"${text
    .split('')
    .map((unit, index) => (next() % 2 ? units[index] : JSON.stringify(unit).slice(1, -1)))
    .join('')}"`;
}

function mutate(bytes: Buffer, change: { kind: string; at: number; length: number; piece: Buffer }): Buffer {
  const at = change.at % (bytes.length + 1);
  const end = Math.min(bytes.length, at + change.length);
  const [before, cut] = [bytes.subarray(0, at), bytes.subarray(at, end)];
  switch (change.kind) {
    case 'flip': {
      const flipped = Buffer.from(bytes);
      if (at < bytes.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << (change.length % 8));
      return flipped;
    }
    case 'insert':
      return Buffer.concat([before, change.piece, bytes.subarray(at)]);
    case 'delete':
      return Buffer.concat([before, bytes.subarray(end)]);
    case 'repeat':
      return Buffer.concat([before, cut, cut, bytes.subarray(end)]);
    default:
      return Buffer.from(bytes.toString('latin1').replace(/-?\d+/, change.piece.toString('latin1')), 'latin1');
  }
}
