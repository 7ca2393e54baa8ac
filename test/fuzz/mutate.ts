import type { Chance } from '../simulation/chance.ts';
import { corpus, marks } from './corpus.ts';

/** Words of the formats that are read: in the wrong place they reach code that random bytes do not. */
const dictionary: readonly string[] = [
  ...['\r\n', '\n', '\r', '\r\n\r\n', '\0', ' ', '\t', ':', '0\r\n\r\n', 'ffffffff\r\n', '1;a=b\r\n', '\u00a0'],
  ...['Transfer-Encoding: chunked\r\n', 'Content-Length: 0\r\n', 'Content-Length: 5\r\n', 'Transfer-Encoding: gzip, chunked\r\n'],
  ...['Content-Encoding: gzip\r\n', 'Expect: 100-continue\r\n', 'Connection: close\r\n', 'Connection: Upgrade\r\nUpgrade: h2c\r\n'],
  ...[
    'Host: evil.example\r\n',
    'Origin: null\r\n',
    'Cookie: a=b\r\n',
    'X-Forwarded-For: 10.0.0.1\r\n',
    'X-HTTP-Method-Override: DELETE\r\n',
  ],
  ...['MCP-Protocol-Version: 2026-07-28\r\n', 'MCP-Protocol-Version: 2025-03-26\r\n', 'Mcp-Method: tools/call\r\n', 'Mcp-Name: tool_2\r\n'],
  ...[
    `Mcp-Session-Id: ${marks.session}\r\n`,
    `Authorization: Bearer ${marks.trader}\r\n`,
    'Last-Event-ID: 1\r\n',
    `baggage: k=${marks.trader}\r\n`,
  ],
  ...[
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    'TRACE',
    'CONNECT',
    'PRI * HTTP/2.0\r\n\r\n',
    'http://evil.example/mcp/up',
    '//',
    '/..',
    '%2e%2e',
    '%00',
  ],
  ...['/mcp/up', '/mcp/ev', '/mcp', '/sse/up', '/passthrough/up/', '/admin', '/api/v1/keys', '/metrics', '?key=', '#'],
  ...[
    '{',
    '}',
    '[',
    ']',
    '"',
    ',',
    '\\',
    '\\u0000',
    '\\ud800',
    '\\u0131',
    'ſ',
    '\ufeff',
    'null',
    'true',
    '1e400',
    '-0',
    '0x1',
    '""',
    '[]',
    '{}',
  ],
  ...[
    '"method":"tools/call"',
    '"name":"tool_2"',
    '"Name":"tool_2"',
    '"id":null',
    '"id":1',
    '"params":{}',
    '"__proto__":{}',
    '"jsonrpc":"2.0"',
  ],
  ...['"result":{}', '"error":{"code":1,"message":"m"}', '"_meta":{}', '"requestState":"x"', '"task":{"ttl":1}', '"uri":"test://../one"'],
  ...['[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[', '{"a":{"a":{"a":{"a":'],
];

/** Values at the edges of what bytes can mean. */
const edges = [0x00, 0x01, 0x09, 0x0a, 0x0d, 0x20, 0x22, 0x2c, 0x3a, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xc0, 0xc3, 0xed, 0xef, 0xf4, 0xff];

const changesMax = 6;
const spanMax = 64;
const caseBytesMax = 300_000;

type Change = (bytes: Buffer, chance: Chance) => Buffer;

/** One request, or what is left of it, after a few changes such as AFL makes. Drawn from the chance alone. */
export function mutatedCase(chance: Chance): Buffer {
  const seed = chance.of(corpus).bytes;
  const bodyAt = seed.indexOf('\r\n\r\n') + 4;
  // A head that cannot be read hides all that comes after it: as often as not only the body is changed.
  const bodyOnly = bodyAt < seed.length && chance.is(0.5);
  const bytes = changed(bodyOnly ? seed.subarray(bodyAt) : seed, bodyOnly, chance).subarray(0, caseBytesMax);
  if (bodyOnly) return reframed(Buffer.concat([seed.subarray(0, bodyAt), bytes]));
  // Most changes break the framing, and then nothing behind it is reached: often it is set right again.
  return chance.is(0.6) ? reframed(bytes) : bytes;
}

/** The body of one request after such changes. */
export function mutatedBody(chance: Chance): Buffer {
  return changed(chance.of(bodies), true, chance).subarray(0, caseBytesMax);
}

const bodies = corpus
  .map(({ bytes }) => bytes.subarray(bytes.indexOf('\r\n\r\n') + 4))
  .filter((body) => body[0] === '{'.charCodeAt(0) || body[0] === '['.charCodeAt(0));

function changed(seed: Buffer, isBody: boolean, chance: Chance): Buffer {
  const among = isBody && chance.is(0.6) ? stillJson : every;
  const changes = chance.is(0.7) ? chance.between(1, 2) : chance.between(3, changesMax);
  let bytes = seed;
  for (let nth = 0; nth < changes; nth += 1) bytes = chance.of(among)(bytes, chance);
  return bytes;
}

const flipBit: Change = (bytes, chance) => {
  if (bytes.length === 0) return bytes;
  const at = chance.between(0, bytes.length - 1);
  return replaced(bytes, at, at + 1, Buffer.of((bytes[at] ?? 0) ^ (1 << chance.between(0, 7))));
};

const setByte: Change = (bytes, chance) => {
  const at = chance.between(0, bytes.length);
  return replaced(bytes, at, at + 1, Buffer.of(chance.is(0.7) ? chance.of(edges) : chance.between(0, 255)));
};

const insertWord: Change = (bytes, chance) => {
  const at = chance.between(0, bytes.length);
  return replaced(bytes, at, at, Buffer.from(chance.of(dictionary)));
};

const overwriteWord: Change = (bytes, chance) => {
  const word = Buffer.from(chance.of(dictionary));
  const at = chance.between(0, bytes.length);
  return replaced(bytes, at, at + word.length, word);
};

/** At the beginning of a line, where a header stands. */
const insertLine: Change = (bytes, chance) => {
  const lines = lineStarts(bytes);
  if (lines.length === 0) return bytes;
  const at = chance.of(lines);
  return replaced(bytes, at, at, Buffer.from(chance.of(dictionary.filter((word) => word.endsWith('\r\n')))));
};

const repeatLine: Change = (bytes, chance) => {
  const lines = lineStarts(bytes);
  if (lines.length < 2) return bytes;
  const nth = chance.between(0, lines.length - 2);
  const line = bytes.subarray(lines[nth], lines[nth + 1]);
  const at = chance.of(lines);
  return replaced(bytes, at, at, line);
};

const dropLine: Change = (bytes, chance) => {
  const lines = lineStarts(bytes);
  if (lines.length < 2) return bytes;
  const nth = chance.between(0, lines.length - 2);
  return replaced(bytes, lines[nth] ?? 0, lines[nth + 1] ?? 0, Buffer.alloc(0));
};

const dropSpan: Change = (bytes, chance) => {
  const at = chance.between(0, bytes.length);
  return replaced(bytes, at, at + chance.between(1, spanMax), Buffer.alloc(0));
};

const repeatSpan: Change = (bytes, chance) => {
  const at = chance.between(0, bytes.length);
  const span = bytes.subarray(at, at + chance.between(1, spanMax));
  const times = chance.is(0.05) ? chance.between(100, 2_000) : chance.between(1, 4);
  return replaced(bytes, at, at, Buffer.concat(Array.from({ length: times }, () => span)));
};

const truncate: Change = (bytes, chance) => bytes.subarray(0, chance.between(0, bytes.length));

const spliceOther: Change = (bytes, chance) => {
  const other = chance.of(corpus).bytes;
  return Buffer.concat([bytes.subarray(0, chance.between(0, bytes.length)), other.subarray(chance.between(0, other.length))]);
};

const appendOther: Change = (bytes, chance) => Buffer.concat([bytes, chance.of(corpus).bytes]);

const changeNumber: Change = (bytes, chance) => {
  const text = bytes.toString('latin1');
  const numbers = [...text.matchAll(/[0-9]+/g)];
  if (numbers.length === 0) return bytes;
  const { index, 0: number } = chance.of(numbers);
  const other = chance.of(['0', '-1', String(Number(number) + 1), '4294967296', '9007199254740993', '99999999999999999999', '1e9', '00']);
  return replaced(bytes, index, index + number.length, Buffer.from(other));
};

const values: readonly string[] = [
  ...[
    'null',
    'true',
    '0',
    '-1',
    '1',
    '9007199254740993',
    '1e400',
    '""',
    '[]',
    '{}',
    '[{}]',
    '"tool_2"',
    '"up__tool_2"',
    '"TOOL_0"',
    '"tool_0\\u0000"',
  ],
  ...['"tools/call"', '"tools\\/call"', '"resources/read"', '"ping"', '"initialize"', '"notifications/cancelled"', '"tasks/get"', '"x/y"'],
  ...[
    '"test://one"',
    '"test://one/../two"',
    '"TEST://one"',
    '"file:///etc/passwd"',
    '"2026-07-28"',
    '"2025-03-26"',
    '"\\ud83d\\ude00"',
    '"\\ud800"',
  ],
];
const members: readonly string[] = [
  ...[
    '"name":"tool_2"',
    '"method":"tools/call"',
    '"id":7',
    '"params":{"name":"tool_2"}',
    '"arguments":{"a":[1,{"b":null}]}',
    '"task":{"ttl":5}',
  ],
  ...[
    '"_meta":{"progressToken":1}',
    '"uri":"test://one"',
    '"requestState":"x"',
    '"__proto__":{"name":"tool_2"}',
    '"constructor":1',
    '"n\\u0061me":"tool_2"',
  ],
];

/** A string, a number or a word in place of another. */
const changeValue: Change = (bytes, chance) => {
  const text = bytes.toString('latin1');
  const tokens = [...text.matchAll(/"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null/g)];
  if (tokens.length === 0) return bytes;
  const { index, 0: token } = chance.of(tokens);
  return replaced(bytes, index, index + token.length, Buffer.from(chance.of(values)));
};

/** One member more at the front of an object. */
const addMember: Change = (bytes, chance) => {
  const text = bytes.toString('latin1');
  const opened = [...text.matchAll(/\{(?=")/g)];
  if (opened.length === 0) return bytes;
  const at = chance.of(opened).index + 1;
  return replaced(bytes, at, at, Buffer.from(`${chance.of(members)},`));
};

/** White space where JSON takes it. */
const addSpace: Change = (bytes, chance) => {
  const at = bytes.indexOf(chance.of(['{', ',', ':', '[', '}']));
  return at < 0 ? bytes : replaced(bytes, at + 1, at + 1, Buffer.from(chance.of([' ', '\n', '\r\n', '\t', ' '.repeat(2_000)])));
};

const stillJson: readonly Change[] = [changeValue, addMember, addSpace];

const every: readonly Change[] = [
  ...[flipBit, setByte, insertWord, overwriteWord, insertLine, repeatLine, dropLine],
  ...[dropSpan, repeatSpan, truncate, spliceOther, appendOther, changeNumber, changeValue],
];

function replaced(bytes: Buffer, from: number, to: number, by: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(Math.min(to, bytes.length))]);
}

function lineStarts(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf('\r\n'); at >= 0; at = bytes.indexOf('\r\n', at + 1)) found.push(at + 2);
  return found;
}

/** The same with its first Content-Length saying how many bytes follow the first head. */
function reframed(bytes: Buffer): Buffer {
  const end = bytes.indexOf('\r\n\r\n');
  const head = end < 0 ? '' : bytes.toString('latin1', 0, end);
  const [line] = /content-length: *[0-9]+/i.exec(head) ?? [];
  if (line === undefined) return bytes;
  const length = bytes.length - end - 4;
  return Buffer.concat([Buffer.from(head.replace(line, `Content-Length: ${length}`), 'latin1'), bytes.subarray(end)]);
}
