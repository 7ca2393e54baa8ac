/**
 * A second opinion on JSON: slow, recursive, on decoded text, and with nothing in common with the gate's own reader.
 * Objects keep every member in its order, so that a name that stands twice shows.
 */
export type StrictValue =
  | { kind: 'null' }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'number'; text: string }
  | { kind: 'string'; value: string }
  | { kind: 'array'; elements: StrictValue[] }
  | { kind: 'object'; members: [string, StrictValue][] };

export interface StrictJson {
  value: StrictValue;
  /** Some object has one name twice. */
  duplicates: boolean;
  /** Some string or name has half a surrogate pair. */
  loneSurrogates: boolean;
  depth: number;
  nodes: number;
}

/** What the bytes say, or undefined when they are no RFC 8259 text in UTF-8 without a byte order mark. */
export function strictJson(bytes: Uint8Array): StrictJson | undefined {
  try {
    return new Parser(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)).document();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** The one value under the name, or undefined. */
export function member(value: StrictValue | undefined, name: string): StrictValue | undefined {
  if (value?.kind !== 'object') return undefined;
  return value.members.find(([other]) => other === name)?.[1];
}

export function stringOf(value: StrictValue | undefined): string | undefined {
  return value?.kind === 'string' ? value.value : undefined;
}

class Parser {
  readonly text: string;
  at = 0;
  duplicates = false;
  loneSurrogates = false;
  depth = 0;
  nodes = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): StrictJson {
    this.take(/[ \n\r\t]*/y);
    const value = this.value(0);
    this.take(/[ \n\r\t]*/y);
    if (this.at !== this.text.length) throw new SyntaxError();
    return { value, duplicates: this.duplicates, loneSurrogates: this.loneSurrogates, depth: this.depth, nodes: this.nodes };
  }

  value(depth: number): StrictValue {
    const next = this.text[this.at];
    if (next === '{') return this.object(depth + 1);
    if (next === '[') return this.array(depth + 1);
    if (next === '"') return { kind: 'string', value: this.string() };
    if (next === 't' || next === 'f') return { kind: 'boolean', value: this.take(/true|false/y) === 'true' };
    if (next === 'n') {
      this.take(/null/y);
      return { kind: 'null' };
    }
    return { kind: 'number', text: this.take(/-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y) };
  }

  object(depth: number): StrictValue {
    this.depth = Math.max(this.depth, depth);
    const members: [string, StrictValue][] = [];
    this.take(/\{[ \n\r\t]*/y);
    while (this.text[this.at] !== '}') {
      if (members.length > 0) this.take(/,[ \n\r\t]*/y);
      const name = this.string();
      this.take(/[ \n\r\t]*:[ \n\r\t]*/y);
      members.push([name, this.value(depth)]);
      this.nodes++;
      this.take(/[ \n\r\t]*/y);
    }
    this.at++;
    if (new Set(members.map(([name]) => name)).size < members.length) this.duplicates = true;
    return { kind: 'object', members };
  }

  array(depth: number): StrictValue {
    this.depth = Math.max(this.depth, depth);
    const elements: StrictValue[] = [];
    this.take(/\[[ \n\r\t]*/y);
    while (this.text[this.at] !== ']') {
      if (elements.length > 0) this.take(/,[ \n\r\t]*/y);
      elements.push(this.value(depth));
      this.nodes++;
      this.take(/[ \n\r\t]*/y);
    }
    this.at++;
    return { kind: 'array', elements };
  }

  string(): string {
    const text = this.take(/"(?:[^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"/y);
    const value = JSON.parse(text) as string;
    if (!value.isWellFormed()) this.loneSurrogates = true;
    return value;
  }

  take(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined) throw new SyntaxError();
    this.at += found.length;
    return found;
  }
}
