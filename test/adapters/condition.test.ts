import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createConditions } from '../../src/adapters/condition.ts';

const conditions = createConditions();
const key = { id: 'AbCd1234', name: 'ops', org: 'acme', agent: 'a1', environment: 'live' };
/** A Friday, 13:30 in Berlin. */
const request = { time: Date.parse('2026-11-20T12:30:00.123Z'), address: '10.1.2.3', environment: 'live' };

/** Arguments as they come: through JSON. */
function holds(source: string, json = '{}'): boolean {
  return conditions.compile(source).holds({ args: JSON.parse(json), tool: 'write_page', key, request });
}

describe('holds', () => {
  it.each([
    ['args.quantity <= 100', '{"quantity":100}', true],
    ['args.quantity <= 100', '{"quantity":100.5}', false],
    ['args.quantity <= 100', '{"quantity":"5"}', false],
    ['args.quantity <= 100', '{"quantity":1e400}', false],
    ['args.quantity == 5', '{"quantity":5}', true],
    ['args.quantity in [1, 5]', '{"quantity":5}', true],
    ['args.quantity * args.price <= 10.0', '{"quantity":2,"price":4.5}', true],
    ['args["quantity"] > 1', '{"quantity":2}', true],
    ['args.title != "Home"', '{"title":"About"}', true],
    ['args.title != "Home"', '{"title":"Home"}', false],
    ['args.title.startsWith("docs/") && !args.title.contains("..")', '{"title":"docs/a"}', true],
    ['args.title.startsWith("docs/") && !args.title.contains("..")', '{"title":"docs/../a"}', false],
    ['args.title.matches("^[a-z]+$")', '{"title":"abc"}', true],
    ['args.title.matches("^[a-z]+$")', '{"title":"abc\\n"}', false],
    ['size(args.title) == 2 && args.title.size() == 2', '{"title":"a\\ud83d\\ude00"}', true],
    ['args.tags.all(t, t in ["a", "b"])', '{"tags":["a","b","a"]}', true],
    ['args.tags.all(t, t in ["a", "b"])', '{"tags":["a","c"]}', false],
    ['args.items.exists(i, i.qty > 3)', '{"items":[{"qty":1},{"qty":4}]}', true],
    ['args.items.filter(i, i.qty > 3).size() == 1', '{"items":[{"qty":1},{"qty":4}]}', true],
    ['args.l.map(x, x * 2.0) == [2, 4]', '{"l":[1,2]}', true],
    ['args.l + [3] == [1, 2, 3]', '{"l":[1,2]}', true],
    ['args.m == {"a": 1, "b": [true]}', '{"m":{"b":[true],"a":1}}', true],
    ['args.m.all(k, k != "x")', '{"m":{"a":1}}', true],
    ['type(args.x) == double', '{"x":1}', true],
    ['tool == "write_page" && key.org == "acme" && key.environment == "live"', '{}', true],
    ['key.id == "AbCd1234" && key.name == "ops" && key.agent == "a1"', '{}', true],
    ['request.time.getHours() == 12 && request.time.getHours("Europe/Berlin") == 13', '{}', true],
    ['request.time.getDayOfWeek("Europe/Berlin") == 5', '{}', true],
    ['request.time < timestamp("2026-12-01T00:00:00Z")', '{}', true],
    ['request.time < timestamp(args.until)', '{"until":"2026-11-20T12:30:00.122Z"}', false],
    ['request.time + duration("1h") > request.time && request.time.getMilliseconds() == 123', '{}', true],
    ['request.address.startsWith("10.") && request.environment == key.environment', '{}', true],
    ['request.address == "192.0.2.1"', '{}', false],
    ['args.a + 1.0 == 2.0', '{"a":1}', true],
    ['args == {}', '{}', true],
    ['has(args.a) ? args.a == 1 : true', '{}', true],
    ['true', '{}', true],
    ['false', '{}', false],
  ])('%s with %s is %s', (source, json, answer) => {
    expect(holds(source, json)).toBe(answer);
  });

  it.each([
    ['args.missing != "x"', '{}'],
    ['args.a.b.c == 1', '{"a":1}'],
    ['!args.missing', '{}'],
    ['args.a', '{"a":1}'],
    ['args.a', '{"a":"true"}'],
    ['args.a + 1 == 2', '{"a":1}'],
    ['args.a / 0 > 1', '{"a":1}'],
    ['args.l[7] == 1', '{"l":[1]}'],
    ['args.a.startsWith("x")', '{"a":["x"]}'],
    ['args.a == 1', '[]'],
    ['args.a == 1', 'null'],
    ['args.a == 1', '"a"'],
    ['tool', '{}'],
    ['request.time.getHours("Europe/Nowhere") >= 0', '{}'],
    ['request.time > 5', '{}'],
    ['request.address', '{}'],
  ])('an error or another value is false: %s with %s', (source, json) => {
    expect(holds(source, json)).toBe(false);
  });

  it('a member that is null is there', () => {
    expect(holds('has(args.path)', '{"path":null}')).toBe(true);
    expect(holds('"path" in args', '{"path":null}')).toBe(true);
    expect(holds('args.path == null', '{"path":null}')).toBe(true);
    expect(holds('!has(args.path) || args.path.startsWith("/safe")', '{"path":null}')).toBe(false);
    expect(holds('has(args.path)', '{}')).toBe(false);
  });

  it('A02: sees no prototype, only members that were sent', () => {
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'size', 'get', 'has']) {
      expect(holds(`has(args.${name})`)).toBe(false);
      expect(holds(`args.${name} != "x"`)).toBe(false);
      expect(holds(`args["${name}"] != "x"`)).toBe(false);
      expect(holds(`"${name}" in args`)).toBe(false);
      expect(holds(`has(args.a.${name})`, '{"a":"text"}')).toBe(false);
      expect(holds(`has(args.a.${name})`, '{"a":[1]}')).toBe(false);
      expect(holds(`args.${name} == "y"`, `{"${name}":"y"}`)).toBe(true);
    }
    expect(({} as Record<string, unknown>).y).toBeUndefined();
  });

  it('takes members that look like the library’s own types as members', () => {
    expect(holds('args.a.b == 1', '{"constructor":{"name":"Map"},"a":{"b":1,"constructor":1}}')).toBe(true);
    const message = '{"a":{"$typeName":"google.protobuf.BoolValue","value":true}}';
    expect(holds('args.a', message)).toBe(false);
    expect(holds('args.a == true', message)).toBe(false);
    expect(holds('args.a.value', message)).toBe(true);
  });

  it('never throws, whatever is sent', () => {
    const some = [
      'args.a <= 1',
      'args.a.all(x, x.b == args.c)',
      'args.a.matches("^x") || args.b[0] == key.org',
      'has(args.a.b) && size(args.a) < 3',
    ];
    const compiled = some.map((source) => conditions.compile(source));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.record({ a: fc.jsonValue(), b: fc.jsonValue(), c: fc.jsonValue() })), (args) => {
        for (const condition of compiled) expect(condition.holds({ args, tool: 't', key, request })).toBeTypeOf('boolean');
      }),
      { numRuns: 1_000 },
    );
    let deep: unknown = 1;
    for (let level = 0; level < 100_000; level += 1) deep = [deep];
    expect(compiled[0]?.holds({ args: { a: 1, deep }, tool: 't', key, request })).toBe(false);
    expect(compiled[0]?.holds({ args: undefined, tool: 't', key, request })).toBe(false);
  });

  it('compares numbers as numbers do', () => {
    const condition = conditions.compile('args.a <= 100 && args.a >= -3');
    fc.assert(
      fc.property(fc.double({ noNaN: true }), (a) => condition.holds({ args: { a }, tool: 't', key, request }) === (a <= 100 && a >= -3)),
    );
  });

  it('refuses arguments on which it would cost too much, and is right on the next ones', () => {
    const numbers = Array.from({ length: 50_000 }, (_, at) => at);
    const members = Object.fromEntries(numbers.map((at) => [`k${at}`, at]));
    const text = 'a'.repeat(2_000_000);
    const costly: [string, unknown][] = [
      ['args.l.all(x, x in args.l)', { l: numbers }],
      ['args.l.all(x, args.l == args.o)', { l: numbers, o: [...numbers] }],
      ['args.l.map(x, x) == args.l', { l: numbers }],
      ['args.l.filter(x, x >= 0).size() >= 0', { l: numbers }],
      ['args.l.all(x, args.s.contains("b") == false)', { l: numbers, s: text }],
      ['args.l.all(x, args.s.size() > 1)', { l: numbers, s: text }],
      ['args.l.all(x, args.s.matches("^(a|b)*$"))', { l: numbers, s: text }],
      ['args.s.contains(args.n)', { s: text, n: `${'a'.repeat(1_000_000)}b` }],
      ['args.l.all(x, x.missing == 1 || x + 1 == 2)', { l: numbers }],
      ['args.m.all(k, args.m == args.o)', { m: members, o: { ...members } }],
    ];
    for (const [source, args] of costly) {
      const condition = conditions.compile(source);
      const began = performance.now();
      expect(condition.holds({ args, tool: 't', key, request }), source).toBe(false);
      expect(performance.now() - began, source).toBeLessThan(3_000);
    }
    expect(Error.stackTraceLimit).toBeGreaterThan(0);
    expect(holds('args.l.all(x, x in args.l)', '{"l":[1,2,3]}')).toBe(true);
    expect(conditions.compile('args.l.all(x, x >= 0)').holds({ args: { l: numbers }, tool: 't', key, request })).toBe(true);
    expect(conditions.compile('args.s.size() == 2000000').holds({ args: { s: text }, tool: 't', key, request })).toBe(true);
    expect(conditions.compile('!args.s.contains("DROP TABLE")').holds({ args: { s: text }, tool: 't', key, request })).toBe(true);
  });
});

describe('problem', () => {
  it.each([
    'args.a == 1',
    '.args.a == 1',
    'args.l.exists(args, args == 1)',
    'args.l.exists(key, key.other == 1)',
    'key.org == tool',
    'timestamp(args.until) < timestamp("2030-01-01T00:00:00Z")',
    'args.a.matches(r"^\\d+$")',
    Array.from({ length: 60 }, () => 'true').join(' && '),
  ])('takes %s', (source) => {
    expect(conditions.problem(source)).toBeUndefined();
  });

  it.each([
    ['', 'empty'],
    ['   ', 'empty'],
    ['args.a ==', 'not valid CEL'],
    ['args.a == 1 // note', 'not valid CEL'],
    ['title == "x"', '"title" is not declared'],
    ['constructor == "x"', '"constructor" is not declared'],
    ['__proto__', '"__proto__" is not declared'],
    ['args.l.all(x, y == 1)', '"y" is not declared'],
    ['args.l.all(x, x == 1) && x == 1', '"x" is not declared'],
    ['google.protobuf.Timestamp == 1', '"google" is not declared'],
    ['google.protobuf.Any{} == 1', 'no known type'],
    ['fetch("x")', 'no function "fetch"'],
    ['args.a.lowerAscii() == "x"', 'no function "lowerAscii"'],
    ['contains("a", "b")', 'not called this way'],
    ['args.a.size(1) == 1', 'not called this way'],
    ['has(args)', 'no function "has"'],
    ['key.agnet == "x"', 'key has no "agnet"'],
    ['request.adress == "x"', 'request has no "adress"'],
    ['request.time.getHour() == 1', 'no function "getHour"'],
    ['now > timestamp("2030-01-01T00:00:00Z")', '"now" is not declared; there are args, tool, key and request'],
    ['args.a.matches("(")', 'no valid pattern'],
    ['args.a.matches("(?=x)")', 'no valid pattern'],
    ['args.a.matches(args.b)', 'written out'],
    ['args.a.all(x, x.all(y, y == 1))', 'at most one of'],
    ['args.a.all(x, x == 1) && args.b.exists(x, x == 1)', 'at most one of'],
    [Array.from({ length: 150 }, () => 'true').join('&&'), 'at most 200'],
    [`${'('.repeat(3_000)}true${')'.repeat(3_000)}`, 'at most 2000 characters'],
    [`args.a == "${'x'.repeat(3_000)}"`, 'at most 2000 characters'],
    ['1', 'true or false'],
    ['"true"', 'true or false'],
    ['[true]', 'true or false'],
  ])('%s: %s', (source, part) => {
    const problem = conditions.problem(source);
    expect(problem).toContain(part);
    expect(() => conditions.compile(source)).toThrow(part);
  });

  it('never throws', () => {
    const piece = fc.constantFrom(
      'args',
      '.',
      'a',
      '(',
      ')',
      '[',
      ']',
      '{',
      '}',
      '"',
      '&&',
      '||',
      '==',
      '1',
      ' ',
      'all',
      ',',
      'x',
      '?',
      ':',
      '!',
      '-',
      '\\',
      'has',
      'matches',
      '\u0000',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (some) => {
        const source = some.join('');
        if (conditions.problem(source) === undefined)
          expect(conditions.compile(source).holds({ args: {}, tool: 't', key, request })).toBeTypeOf('boolean');
        else expect(() => conditions.compile(source)).toThrow();
      }),
      { numRuns: 3_000 },
    );
  });
});
