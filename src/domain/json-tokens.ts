import { KnownTexts } from './known-texts.ts';
import { PlainRun } from './plain-run.ts';

const quote = 0x22;
const backslash = 0x5c;
/** Bytes of a string that are looked at one by one before words are: most strings end before it pays. */
const singlyMax = 16;

/** Names and methods of MCP and JSON-RPC that are read most; the list has no say in what is accepted. */
const known = new KnownTexts([
  ...['jsonrpc', '2.0', 'id', 'method', 'params', 'result', 'error', 'code', 'message'],
  ...['name', 'uri', 'arguments', '_meta', 'progressToken', 'protocolVersion', 'capabilities', 'clientInfo'],
  ...['tools/call', 'tools/list', 'resources/read', 'prompts/get', 'ping', 'initialize', '2025-11-25', '2026-07-28'],
  ...['content', 'structuredContent', 'isError', 'tools', 'title', 'description', 'inputSchema', 'outputSchema', 'annotations'],
  ...['io.modelcontextprotocol/protocolVersion', 'io.modelcontextprotocol/clientCapabilities', 'io.modelcontextprotocol/clientInfo'],
]);

/** The bytes are no JSON text, or break a limit while they are read: reading stops here. */
export class JsonStop extends Error {
  override readonly name = 'JsonStop';
  readonly reason: 'PARSE_ERROR' | 'INVALID_MESSAGE';

  constructor(reason: 'PARSE_ERROR' | 'INVALID_MESSAGE', detail: string) {
    super(detail);
    this.reason = reason;
  }
}

/**
 * Reads the tokens of a JSON text (RFC 8259) from its UTF-8 bytes, strictly: what JSON.parse would refuse is refused.
 * UTF-8 is checked in the same pass (RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF); outside strings
 * every byte must be ASCII anyway. `at` is the offset of the next byte.
 */
export class JsonTokens {
  readonly bytes: Buffer;
  at: number;
  /** The first thing that is well-formed JSON and still refused. Reading goes on, so that an id behind it is found. */
  offence: string | undefined = undefined;
  /** Where the last string or number stands, quotes included. */
  protected start = 0;
  protected end = 0;
  /** The last string has an escape, or a byte that is not ASCII. */
  protected escaped = false;
  private wide = false;
  private readonly plain: PlainRun;
  private integer = false;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.plain = new PlainRun(bytes);
    this.at = at;
  }

  /** Keeps the first offence only: the later ones often follow from it. */
  offend(detail: string): void {
    this.offence ??= detail;
  }

  /** Skips the four characters that RFC 8259 section 2 calls whitespace. */
  space(): void {
    const { bytes } = this;
    let byte = bytes[this.at];
    while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++this.at];
  }

  /** The decoded text of the last string that was read. */
  text(): string {
    const { bytes, start, end } = this;
    if (this.escaped) return JSON.parse(bytes.toString('utf8', start, end)) as string;
    if (this.wide) return bytes.toString('utf8', start + 1, end - 1);
    return known.find(bytes, start + 1, end - 1) ?? bytes.toString('latin1', start + 1, end - 1);
  }

  /**
   * The last number as a safe integer written without fraction and exponent, else undefined. `-0` is none: readers
   * disagree on whether it is 0.
   */
  safeInteger(): number | undefined {
    // 9007199254740991 has 16 digits; longer texts need no conversion to be known as unsafe.
    if (!this.integer || this.end - this.start > 17) return undefined;
    const value = Number(this.bytes.toString('latin1', this.start, this.end));
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? value : undefined;
  }

  /** Reads a value that is neither object nor array. */
  scalar(): void {
    const byte = this.bytes[this.at];
    if (byte === quote) this.string();
    else if (byte === 0x74) this.word('true');
    else if (byte === 0x66) this.word('false');
    else if (byte === 0x6e) this.word('null');
    else this.number();
  }

  /** Reads a string; `at` stands on its first quote. */
  string(): void {
    const { bytes, plain } = this;
    this.start = this.at;
    this.escaped = false;
    this.wide = false;
    let at = this.at + 1;
    for (;;) {
      const singly = Math.min(at + singlyMax, bytes.length);
      while (at < singly) {
        const byte = bytes[at] as number;
        if (byte < 0x20 || byte > 0x7f || byte === quote || byte === backslash) break;
        at++;
      }
      if (at === singly) at = plain.end(at);
      const byte = bytes[at];
      if (byte === quote) break;
      if (byte === backslash) {
        this.escaped = true;
        at = this.escape(at);
      } else if (byte !== undefined && byte > 0x7f) {
        this.wide = true;
        at = this.sequence(at);
      } else this.fail(at);
    }
    this.end = at + 1;
    this.at = at + 1;
  }

  protected fail(at: number): never {
    throw new JsonStop('PARSE_ERROR', at >= this.bytes.length ? 'The JSON text ends too early.' : `Not JSON at byte ${at}.`);
  }

  /** Checks the escape at `at` and gives the offset behind it. A surrogate must be half of a pair (RFC 7493 section 2.1). */
  private escape(at: number): number {
    const letter = this.bytes[at + 1];
    if (letter !== 0x75) {
      // " / \ b f n r t
      const allowed =
        letter === quote ||
        letter === 0x2f ||
        letter === backslash ||
        letter === 0x62 ||
        letter === 0x66 ||
        letter === 0x6e ||
        letter === 0x72 ||
        letter === 0x74;
      return allowed ? at + 2 : this.fail(at + 1);
    }
    const unit = this.unit(at + 2);
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    if (unit < 0xdc00 && this.bytes[at + 6] === backslash && this.bytes[at + 7] === 0x75) {
      const low = this.unit(at + 8);
      if (low >= 0xdc00 && low <= 0xdfff) return at + 12;
    }
    this.loneSurrogate(at);
    return at + 6;
  }

  /** Half of a surrogate pair on its own: an offence, unless the walk's limits say that it may stand. */
  protected loneSurrogate(at: number): void {
    this.offend(`A surrogate without its pair stands at byte ${at}.`);
  }

  /** The value of four hexadecimal digits. */
  private unit(at: number): number {
    let unit = 0;
    for (let place = at; place < at + 4; place++) {
      const byte = this.bytes[place] ?? 0;
      const lower = byte | 0x20;
      if (byte >= 0x30 && byte <= 0x39) unit = unit * 16 + byte - 0x30;
      else if (lower >= 0x61 && lower <= 0x66) unit = unit * 16 + lower - 0x57;
      else this.fail(place);
    }
    return unit;
  }

  /** Checks one character of two to four UTF-8 bytes (RFC 3629 section 4) and gives the offset behind it. */
  private sequence(at: number): number {
    const { bytes } = this;
    const first = bytes[at] as number;
    const second = bytes[at + 1] ?? 0;
    const size = first >= 0xc2 && first <= 0xdf ? 2 : first >= 0xe0 && first <= 0xef ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
    const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    let good = size > 0 && second >= low && second <= high;
    for (let place = at + 2; place < at + size; place++) good &&= ((bytes[place] ?? 0) & 0xc0) === 0x80;
    if (!good) throw new JsonStop('PARSE_ERROR', `Not UTF-8 at byte ${at}.`);
    return at + size;
  }

  private number(): void {
    const { bytes } = this;
    this.start = this.at;
    this.integer = true;
    if (bytes[this.at] === 0x2d) this.at++;
    if (bytes[this.at] === 0x30) this.at++;
    else this.digits();
    if (bytes[this.at] === 0x2e) {
      this.integer = false;
      this.at++;
      this.digits();
    }
    if (bytes[this.at] === 0x65 || bytes[this.at] === 0x45) {
      this.integer = false;
      this.at++;
      if (bytes[this.at] === 0x2b || bytes[this.at] === 0x2d) this.at++;
      this.digits();
    }
    this.end = this.at;
  }

  private digits(): void {
    const from = this.at;
    let byte = this.bytes[this.at];
    while (byte !== undefined && byte >= 0x30 && byte <= 0x39) byte = this.bytes[++this.at];
    if (this.at === from) this.fail(from);
  }

  private word(word: string): void {
    for (let place = 0; place < word.length; place++) {
      if (this.bytes[this.at + place] !== word.charCodeAt(place)) this.fail(this.at + place);
    }
    this.at += word.length;
  }
}
