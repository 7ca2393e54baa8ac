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
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let skipLf = false;
  let first = true;
  let fields: MutableEvent = {};
  let eventBytes = 0;

  const line = (bytes: Buffer, events: ServerEvent[]): void => {
    const begins = first;
    first = false;
    if (bytes.length === 0) {
      const event = finish(fields);
      if (event) events.push(event);
      fields = {};
      eventBytes = 0;
      return;
    }
    let text = bytes.toString('utf8');
    if (begins && text.startsWith('\ufeff')) text = text.slice(1);
    take(fields, text);
  };

  return {
    push(chunk) {
      const events: ServerEvent[] = [];
      let start = 0;
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at];
        if (skipLf) {
          skipLf = false;
          if (byte === lf) {
            start = at + 1;
            continue;
          }
        }
        if (byte !== lf && byte !== cr) continue;
        skipLf = byte === cr;
        const rest = chunk.subarray(start, at);
        eventBytes += rest.length;
        if (eventBytes + pendingBytes > eventBytesMax) throw new EventTooLarge(`an event is longer than ${eventBytesMax} bytes`);
        eventBytes += pendingBytes;
        line(pending.length > 0 ? Buffer.concat([...pending, rest]) : rest, events);
        pending = [];
        pendingBytes = 0;
        start = at + 1;
      }
      if (start < chunk.length) {
        pending.push(Buffer.from(chunk.subarray(start)));
        pendingBytes += chunk.length - start;
        if (eventBytes + pendingBytes > eventBytesMax) throw new EventTooLarge(`an event is longer than ${eventBytesMax} bytes`);
      }
      return events;
    },
  };
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
