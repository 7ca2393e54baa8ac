import { type ParsedSegment, parseSegment } from '../../../domain/segment.ts';
import type { Archive } from '../../../ports/archive.ts';

/** Segments that are kept taken apart: whoever reads in batches asks for the same one again and again. */
const parsedMax = 4;
/** First positions that are remembered: 16 bytes or so each. */
const placesMax = 100_000;

/** Reads segments, the last few from memory. */
export interface Segments {
  /** Undefined where it is missing. */
  get(number: number): Promise<ParsedSegment | undefined>;
  /** The position of its first record, as it says itself; undefined where it is missing or says nothing that can be read. */
  firstOf(number: number): Promise<number | undefined>;
}

export function createSegments(archive: Archive): Segments {
  const parsed = new Map<number, Promise<ParsedSegment | undefined>>();
  const places = new Map<number, number>();
  const get = (number: number): Promise<ParsedSegment | undefined> => {
    const kept = parsed.get(number) ?? read(number);
    parsed.delete(number);
    parsed.set(number, kept);
    for (const oldest of parsed.keys()) {
      if (parsed.size <= parsedMax) break;
      parsed.delete(oldest);
    }
    return kept;
  };
  const read = async (number: number): Promise<ParsedSegment | undefined> => {
    try {
      const text = await archive.get({ series: 'segments', number });
      // One that is not there may be there next time.
      if (text === undefined) parsed.delete(number);
      return text === undefined ? undefined : parseSegment(text);
    } catch (error) {
      parsed.delete(number);
      throw error;
    }
  };
  return {
    get,
    async firstOf(number) {
      const known = places.get(number);
      if (known !== undefined) return known;
      const seal = (await get(number))?.seal;
      const first = seal?.number === number ? seal.first : undefined;
      if (places.size >= placesMax) places.clear();
      if (first !== undefined) places.set(number, first);
      return first;
    },
  };
}
