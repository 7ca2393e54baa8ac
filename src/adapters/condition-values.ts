import {
  type CelFunc,
  type CelInput,
  type CelList,
  type CelMap,
  CelScalar,
  type CelValue,
  celEnv,
  celFunc,
  celList,
  celListConcat,
  celMap,
  celMethod,
  isCelError,
  listType,
} from '@bufbuild/cel';

/**
 * What one evaluation may cost. Arguments come from clients: without a bound, `args.a.all(x, x in args.b)` on two long lists stops the
 * process for many seconds.
 */
export interface Meter {
  /**
   * False where the evaluation has cost too much: then whoever pays gives any answer at once, and the whole counts as false. It does not throw,
   * because CEL's all() and exists() carry errors along and go on to the next element.
   */
  spend(steps: number): boolean;
  readonly exhausted: boolean;
  reset(): void;
}

/** About 0.1 s. A step is one list element or map entry looked at, or one character given to a regular expression. */
const stepsMax = 1_000_000;

export function createMeter(): Meter {
  let left = stepsMax;
  return {
    spend(steps) {
      left -= steps;
      return left >= 0;
    },
    get exhausted() {
      return left < 0;
    },
    reset() {
      left = stepsMax;
    },
  };
}

/**
 * JSON, as `JSON.parse` gives it, to CEL's maps, lists and doubles. The library would take objects as they are, but then a member named
 * `$typeName` turns them into messages and one named `constructor` makes it throw: here every name is an ordinary key.
 */
export function toCelValue(value: unknown, meter: Meter): CelValue {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  meter.spend(1);
  if (Array.isArray(value))
    return meteredList(
      value.map((element) => toCelValue(element, meter)),
      meter,
    );
  if (typeof value !== 'object') throw new Error(`a ${typeof value} is no JSON value`);
  const entries = Object.entries(value).map(([name, member]) => [name, toCelValue(member, meter)] as const);
  return meteredMap(new Map<string, CelInput>(entries), meter);
}

function meteredList(elements: readonly CelInput[], meter: Meter): CelList {
  const list = celList(elements);
  const { values, get } = list;
  function* walk(): Generator<CelValue> {
    for (const element of values.call(list)) {
      if (!meter.spend(1)) return;
      yield element;
    }
  }
  return Object.assign(list, {
    values: walk,
    [Symbol.iterator]: walk,
    get(index: number) {
      return meter.spend(1) ? get.call(list, index) : undefined;
    },
  });
}

function meteredMap(members: ReadonlyMap<string, CelInput>, meter: Meter): CelMap {
  const map = celMap(members);
  const { entries } = map;
  function* walk(): Generator<[string, CelValue]> {
    for (const [name, value] of entries.call(map)) {
      if (!meter.spend(1)) return;
      yield [String(name), value];
    }
  }
  return Object.assign(map, {
    entries: walk,
    [Symbol.iterator]: walk,
    // The library's own answer is false for a member that is null, so `!has(args.path)` would hold for a path that is there.
    has: (name: unknown) => typeof name === 'string' && members.has(name),
  });
}

/** Standard functions whose cost grows with what clients send, in a form that pays for it. They mean what they meant. */
export function meteredFunctions(meter: Meter): CelFunc[] {
  const { STRING, BOOL, INT, DYN } = CelScalar;
  const list = listType(DYN);
  const standard = celEnv().funcs;
  const matches = (text: string, pattern: string): boolean => {
    const outcome = standard.find('matches')?.call(0, text, [pattern]);
    if (typeof outcome === 'boolean') return outcome;
    throw isCelError(outcome) ? outcome : new Error('matches() gave no answer');
  };
  return [
    celMethod('matches', STRING, [STRING], BOOL, function (pattern) {
      return meter.spend(this.length) && matches(this, pattern);
    }),
    celMethod('contains', STRING, [STRING], BOOL, function (part) {
      // Searching is quadratic at worst, where both are long.
      return meter.spend(Math.ceil((this.length * Math.max(part.length, 64)) / 4_096)) && this.includes(part);
    }),
    celMethod('size', STRING, [], INT, function () {
      return sizeOf(this, meter);
    }),
    celFunc('size', [STRING], INT, (text) => sizeOf(text, meter)),
    // filter() and map() build their result by adding one element at a time, and reading such a list costs the square of its length.
    celFunc('_+_', [list, list], list, (left, right) => (meter.spend(left.size) ? celListConcat(left, right) : left)),
  ];
}

/** In characters, as CEL counts them (code points). */
function sizeOf(text: string, meter: Meter): bigint {
  if (!meter.spend(Math.ceil(text.length / 16))) return 0n;
  let size = text.length;
  for (let at = 0; at < text.length - 1; at += 1) {
    if ((text.charCodeAt(at) & 0xfc00) === 0xd800 && (text.charCodeAt(at + 1) & 0xfc00) === 0xdc00) size -= 1;
  }
  return BigInt(size);
}
