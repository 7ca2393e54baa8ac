import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventReader, type ServerEvent, writeEvent } from '../../src/domain/events.ts';

const bytesMax = 10_000;

/** Text that is cut into pieces of these lengths, over and over. */
function readInPieces(text: string, lengths: readonly number[]): ServerEvent[] {
  const bytes = Buffer.from(text);
  const reader = createEventReader(bytesMax);
  const events: ServerEvent[] = [];
  for (let at = 0, nth = 0; at < bytes.length; nth += 1) {
    const length = lengths[nth % lengths.length] ?? bytes.length;
    events.push(...reader.push(bytes.subarray(at, at + length)));
    at += length;
  }
  return events;
}

/** A second reading, on text that is whole (WHATWG HTML, section 9.2.6): slow, and with nothing in common with the reader. */
function readWhole(text: string): ServerEvent[] {
  const lines = text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/);
  // What is not ended by an empty line is no event; nor is the last line ended.
  lines.pop();
  const events: ServerEvent[] = [];
  let fields: [string, string][] = [];
  for (const line of lines) {
    if (line !== '') {
      const [, name = '', value = ''] = /^([^:]*)(?::[ ]?(.*))?$/su.exec(line) ?? [];
      if (!line.startsWith(':')) fields.push([name, value]);
      continue;
    }
    const all = (name: string) => fields.filter(([other]) => other === name).map(([, value]) => value);
    const [data, id, retry] = [
      all('data'),
      all('id').findLast((value) => !/[\u0000-\u001f\u007f]/.test(value)),
      all('retry').findLast((value) => /^[0-9]{1,9}$/.test(value)),
    ];
    if (data.length > 0 || id !== undefined || retry !== undefined) {
      const name = all('event').at(-1) || 'message';
      events.push({
        name,
        text: data.length > 0 ? data.join('\n') : undefined,
        id,
        retry: retry === undefined ? undefined : Number(retry),
      });
    }
    fields = [];
  }
  return events;
}

const piece = fc.constantFrom(
  ...[
    'data:',
    'data',
    'data: ',
    'event:',
    'id: ',
    'id',
    'retry: ',
    ': ',
    ':',
    '\n',
    '\r',
    '\r\n',
    '\n\n',
    '\r\r',
    '{"a":1}',
    '7',
    '0123456789',
  ],
  ...['\ufeff', '\0', 'x', ' ', 'ünï', '\u2028', 'message', 'Data:', 'data :'],
);
const stream = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));
const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 });

describe('an event stream', () => {
  it('says the same however it is cut into pieces, and the same to a second reader', () => {
    fc.assert(
      fc.property(stream, lengths, (text, cut) => {
        expect(readInPieces(text, cut)).toEqual(readWhole(text));
      }),
      { numRuns: 2_000, examples: [['\n\ufeffdata: x\n\n', [1]]] },
    );
  });

  it('an event that is written is read as that one event, whatever its text holds', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll('\r', ''));
    const id = fc.string({ maxLength: 10 }).filter((text) => !/[\u0000-\u001f\u007f]/.test(text) && !text.startsWith(' '));
    fc.assert(
      fc.property(
        line,
        fc.option(id, { nil: undefined }),
        fc.option(fc.nat(999_999), { nil: undefined }),
        lengths,
        (text, own, retry, cut) => {
          const [event, ...others] = readInPieces(writeEvent({ text, id: own, retry }), cut);
          expect(others).toEqual([]);
          expect({ text: event?.text, id: event?.id, retry: event?.retry }).toEqual({ text, id: own, retry });
        },
      ),
    );
  });

  it('A21: no event is longer than the bound, however it comes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 50 }), (max, over) => {
        const reader = createEventReader(max);
        expect(() => {
          for (let sent = 0; sent < max + over; sent += 1) reader.push(Buffer.from('x'));
        }).toThrow('longer than');
      }),
    );
  });
});
