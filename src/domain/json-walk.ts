import { OpenNames } from './json-names.ts';
import { JsonStop, JsonTokens } from './json-tokens.ts';
import type { ScanLimits } from './message.ts';

/**
 * Walks through a JSON text once, from value to value. Between calls `at` stands on the first byte of a value, or
 * behind one. Nothing here calls itself: a text of any depth costs no stack. Use:
 *
 *     if (walk.openObject()) do { const name = walk.name(); walk.value(); } while (walk.moreMembers());
 *
 * Throws JsonStop where the text is no JSON or a limit is reached; a name that stands twice is an `offence`.
 */
export class JsonWalk extends JsonTokens {
  private readonly limits: ScanLimits;
  private readonly names: OpenNames;
  /** For each depth, whether an object (else an array) is open there. */
  private readonly inObject: boolean[] = [false];
  private depth = 0;
  private nodes = 0;

  constructor(options: { bytes: Buffer; limits: ScanLimits; at?: number }) {
    super(options.bytes, options.at ?? 0);
    this.limits = options.limits;
    this.names = new OpenNames(options.bytes);
    this.space();
  }

  protected override loneSurrogate(at: number): void {
    if (!this.limits.loneSurrogates) super.loneSurrogate(at);
  }

  isObject(): boolean {
    return this.bytes[this.at] === 0x7b;
  }

  isArray(): boolean {
    return this.bytes[this.at] === 0x5b;
  }

  isString(): boolean {
    return this.bytes[this.at] === 0x22;
  }

  isNumber(): boolean {
    const byte = this.bytes[this.at] ?? 0;
    return byte === 0x2d || (byte >= 0x30 && byte <= 0x39);
  }

  /** Whether the value here is true. Its spelling is checked when it is read. */
  isTrue(): boolean {
    return this.bytes[this.at] === 0x74;
  }

  isFalse(): boolean {
    return this.bytes[this.at] === 0x66;
  }

  isNull(): boolean {
    return this.bytes[this.at] === 0x6e;
  }

  /** Reads the brace at `at`. True when a member follows; an empty object is read whole. */
  openObject(): boolean {
    this.open(true);
    this.names.open();
    if (this.bytes[this.at] === 0x7d) {
      this.closeObject();
      return false;
    }
    this.node();
    return true;
  }

  /** Reads the bracket at `at`. True when an element follows; an empty array is read whole. */
  openArray(): boolean {
    this.open(false);
    if (this.bytes[this.at] === 0x5d) {
      this.close();
      return false;
    }
    this.node();
    return true;
  }

  /** Behind a member: true when another follows, false when the object ends here. */
  moreMembers(): boolean {
    this.space();
    if (this.comma()) return true;
    if (this.bytes[this.at] !== 0x7d) this.fail(this.at);
    this.closeObject();
    return false;
  }

  /** Behind an element: true when another follows, false when the array ends here. */
  moreElements(): boolean {
    this.space();
    if (this.comma()) return true;
    if (this.bytes[this.at] !== 0x5d) this.fail(this.at);
    this.close();
    return false;
  }

  /** Reads a member's name and the colon, and gives the name decoded. */
  name(): string {
    const from = this.at;
    this.nameToken();
    const name = this.text();
    if (!(this.escaped ? this.names.addText(name) : this.names.addPlain(this.start + 1, this.end - 1))) this.twice(from);
    this.colon();
    return name;
  }

  /** Reads one value of any kind, whole. */
  value(): void {
    const floor = this.depth;
    for (;;) {
      if (this.isObject()) {
        if (this.openObject()) {
          this.passName();
          continue;
        }
      } else if (this.isArray()) {
        if (this.openArray()) continue;
      } else this.scalar();
      if (this.rise(floor)) return;
    }
  }

  /** Nothing but whitespace may stand behind the text. */
  finish(): void {
    // A read behind the last byte would make every later read slower, so the usual end is told apart first.
    if (this.at === this.bytes.length) return;
    this.space();
    if (this.at < this.bytes.length) this.fail(this.at);
  }

  /** Behind a value: closes what ends here. True when the walk is back at `floor`, false when another value follows. */
  private rise(floor: number): boolean {
    while (this.depth > floor) {
      if (this.inObject[this.depth] === true) {
        if (this.moreMembers()) {
          this.passName();
          return false;
        }
      } else if (this.moreElements()) return false;
    }
    return true;
  }

  /** As name(), without making the string where only its being new matters. */
  private passName(): void {
    const from = this.at;
    this.nameToken();
    if (!(this.escaped ? this.names.addText(this.text()) : this.names.addPlain(this.start + 1, this.end - 1))) this.twice(from);
    this.colon();
  }

  private nameToken(): void {
    if (!this.isString()) this.fail(this.at);
    this.string();
  }

  private twice(at: number): void {
    this.offend(`A member name stands twice in one object, again at byte ${at}.`);
  }

  private colon(): void {
    this.space();
    if (this.bytes[this.at] !== 0x3a) this.fail(this.at);
    this.at++;
    this.space();
  }

  private comma(): boolean {
    if (this.bytes[this.at] !== 0x2c) return false;
    this.at++;
    this.space();
    this.node();
    return true;
  }

  private open(isObject: boolean): void {
    this.depth++;
    if (this.depth > this.limits.depthMax) {
      throw new JsonStop('INVALID_MESSAGE', `Objects and arrays are nested deeper than ${this.limits.depthMax}.`);
    }
    this.inObject[this.depth] = isObject;
    this.at++;
    this.space();
  }

  private closeObject(): void {
    this.names.close();
    this.close();
  }

  private close(): void {
    this.depth--;
    this.at++;
  }

  private node(): void {
    this.nodes++;
    if (this.nodes > this.limits.nodesMax) {
      throw new JsonStop('INVALID_MESSAGE', `There are more than ${this.limits.nodesMax} members and elements.`);
    }
  }
}
