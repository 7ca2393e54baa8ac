/**
 * Server-sent events, read strictly (WHATWG HTML, section 9.2.6): CR, LF and CRLF all end a line, so an upstream
 * cannot smuggle a second event or field past the gate. Events are read whole and written anew.
 */
export interface ServerEvent {
  readonly name: string;
  /** Data lines joined by LF; undefined where the event has no data line. */
  readonly text: string | undefined;
  readonly id: string | undefined;
  /** Reconnection time in milliseconds. */
  readonly retry: number | undefined;
}

export interface EventReader {
  /** Feeds bytes; returns the events they complete, in order. @throws EventTooLarge */
  push(chunk: Buffer): ServerEvent[];
}

class EventTooLarge extends Error {
  override readonly name = 'EventTooLarge';
}

const lf = 0x0a;
const cr = 0x0d;

/** @param eventBytesMax longest event accepted, in bytes: an endless line cannot fill memory */
export function createEventReader(eventBytesMax: number): EventReader {
  return new Reading(eventBytesMax);
}

/** A class, and nothing made before it is needed, since thousands of streams may be open in which nothing is said. */
class Reading implements EventReader {
  private readonly eventBytesMax: number;
  private pending: Buffer[] | undefined = undefined;
  private pendingBytes = 0;
  private skipLf = false;
  private first = true;
  private fields: MutableEvent | undefined = undefined;
  private eventBytes = 0;

  constructor(eventBytesMax: number) {
    this.eventBytesMax = eventBytesMax;
  }

  push(chunk: Buffer): ServerEvent[] {
    const events: ServerEvent[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at];
      if (this.skipLf) {
        this.skipLf = false;
        if (byte === lf) {
          start = at + 1;
          continue;
        }
      }
      if (byte !== lf && byte !== cr) continue;
      this.skipLf = byte === cr;
      this.endLine(chunk.subarray(start, at), events);
      start = at + 1;
    }
    if (start < chunk.length) this.keep(Buffer.from(chunk.subarray(start)));
    return events;
  }

  private keep(rest: Buffer): void {
    this.pending ??= [];
    this.pending.push(rest);
    this.pendingBytes += rest.length;
    this.bound();
  }

  private endLine(rest: Buffer, events: ServerEvent[]): void {
    this.eventBytes += rest.length;
    this.bound();
    this.eventBytes += this.pendingBytes;
    const { pending } = this;
    this.pending = undefined;
    this.pendingBytes = 0;
    this.line(pending ? Buffer.concat([...pending, rest]) : rest, events);
  }

  private bound(): void {
    if (this.eventBytes + this.pendingBytes > this.eventBytesMax) {
      throw new EventTooLarge(`an event is longer than ${this.eventBytesMax} bytes`);
    }
  }

  private line(bytes: Buffer, events: ServerEvent[]): void {
    const begins = this.first;
    this.first = false;
    if (bytes.length === 0) {
      const event = finish(this.fields ?? {});
      if (event) events.push(event);
      this.fields = undefined;
      this.eventBytes = 0;
      return;
    }
    let text = bytes.toString('utf8');
    if (begins && text.startsWith('\ufeff')) text = text.slice(1);
    this.fields ??= {};
    take(this.fields, text);
  }
}

interface MutableEvent {
  name?: string;
  lines?: string[];
  id?: string;
  retry?: number;
}

function take(fields: MutableEvent, line: string): void {
  const colon = line.indexOf(':');
  if (colon === 0) return;
  const field = colon < 0 ? line : line.slice(0, colon);
  const raw = colon < 0 ? '' : line.slice(colon + 1);
  const value = raw.startsWith(' ') ? raw.slice(1) : raw;
  if (field === 'data') {
    fields.lines ??= [];
    fields.lines.push(value);
  } else if (field === 'event') fields.name = value;
  else if (field === 'id') {
    // An id with NUL is ignored (same section); any other control character would not survive a header on resumption.
    if (!/[\u0000-\u001f\u007f]/.test(value)) fields.id = value;
  } else if (field === 'retry' && /^[0-9]{1,9}$/.test(value)) fields.retry = Number(value);
}

function finish(fields: MutableEvent): ServerEvent | undefined {
  if (fields.lines === undefined && fields.id === undefined && fields.retry === undefined) return undefined;
  return { name: fields.name || 'message', text: fields.lines?.join('\n'), id: fields.id, retry: fields.retry };
}

/** Writes one event. `text` may hold LF (each line becomes a data line); it never holds CR, since the reader splits there. */
export function writeEvent(event: { text: string | undefined; id?: string | undefined; retry?: number | undefined }): string {
  let out = '';
  if (event.text !== undefined && event.text !== '') out += 'event: message\n';
  if (event.id !== undefined) out += `id: ${event.id}\n`;
  if (event.retry !== undefined) out += `retry: ${event.retry}\n`;
  for (const line of (event.text ?? '').split('\n')) out += `data: ${line}\n`;
  return `${out}\n`;
}
