import type { Archive } from '../../../ports/archive.ts';

/** What is wrong with the archive, and with which segment; 0 where it is the archive as a whole. */
export interface SegmentFault {
  readonly number: number;
  readonly problem: string;
}

/** @param act  what cannot be done, such as `sealed` */
export function archiveError(act: string, { number, problem }: SegmentFault): Error {
  return new Error(`The journal cannot be ${act}: ${number === 0 ? '' : `segment ${number}: `}${problem}.`);
}

/** Ends the archive in Redis once its segments stand elsewhere: it takes the number that the next segment would have had. */
export function movedText(place: string): string {
  return `${JSON.stringify({ moved: place })}\n`;
}

/** Where an archive went, from the text that ended it; undefined for every other text. */
export function movedTo(text: string): string | undefined {
  if (!text.startsWith('{"moved":')) return undefined;
  return String((JSON.parse(text) as { moved: unknown }).moved);
}

export function strangeArchive(archive: Archive, newest: number): SegmentFault {
  const known = `${archive.describe()} holds segments up to ${newest}, but this store knows of none`;
  const why = 'it is the archive of another store, or this Redis lost everything. Restore it, or configure an empty archive';
  return { number: 0, problem: `${known}: ${why}` };
}

export function cutArchive(archive: Archive, { newest, noted }: { newest: number; noted: number }): SegmentFault {
  const missing = newest + 1 === noted ? `segment ${noted} is` : `segments ${newest + 1} to ${noted} are`;
  const problem = `${missing} missing from ${archive.describe()}: it was cut, or is not the one this journal was sealed into`;
  return { number: 0, problem };
}

export function otherArchive(archive: Archive, number: number): SegmentFault {
  const why = `${archive.describe()} is another archive, or not the same one for every replica`;
  return { number, problem: `it is not the segment ${number} that this store sealed: it was replaced, or ${why}` };
}

export function missingSegment(archive: Archive, number: number): SegmentFault {
  return { number, problem: `it is missing from ${archive.describe()}` };
}

export function brokenChain(number: number): SegmentFault {
  return { number, problem: `it does not follow segment ${number - 1}: one of the two was replaced` };
}
