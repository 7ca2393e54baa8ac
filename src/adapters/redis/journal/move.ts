import type { ArchiveName } from '../../../ports/archive.ts';
import { archiveError, movedText, movedTo, strangeArchive } from './archive-faults.ts';
import type { JournalParts } from './parts.ts';

/**
 * Makes the configured archive the only one: segments that stand in Redis go over in order, then a last text takes the number that the next
 * segment in Redis would have had, so that a gateway with the old configuration cannot seal one, and then they are removed from Redis.
 * Broken off anywhere, or done by two at once, it goes on where it was.
 * @throws Error where the configured archive holds other segments
 */
export async function moveArchive(parts: Pick<JournalParts, 'archive' | 'redisArchive' | 'notes' | 'log'>): Promise<void> {
  const { archive, redisArchive: source, notes, log } = parts;
  for (;;) {
    const last = await source.newest('segments');
    const text = last === 0 ? '' : await source.get({ series: 'segments', number: last });
    if (text !== undefined && movedTo(text) !== undefined) break;
    const have = await archive.newest('segments');
    if (have > 0 && !(await notes.read())) throw archiveError('sealed', strangeArchive(archive, have));
    const through = await copyAnchors({ archive, source });
    const done = await copySegments({ archive, source }, { from: Math.max(through + 1, Math.min(have, last)), last });
    if (done && (await source.put({ series: 'segments', number: last + 1 }, movedText(archive.describe())))) {
      if (last > 0) log.note('the journal was moved', { to: archive.describe(), segments: last - through });
      break;
    }
  }
  const end = await source.newest('segments');
  for (let number = await source.oldest('segments'); number > 0 && number < end; number = await source.oldest('segments')) {
    await source.remove({ series: 'segments', number });
  }
  for (let number = await source.oldest('anchors'); number > 0; number = await source.oldest('anchors')) {
    await source.remove({ series: 'anchors', number });
  }
}

type Ends = Pick<JournalParts, 'archive'> & { source: JournalParts['redisArchive'] };

/** The number of the last pruned segment, 0 where nothing was pruned. */
async function copyAnchors({ archive, source }: Ends): Promise<number> {
  const number = await source.newest('anchors');
  if (number > 0) await copy({ archive, source }, { series: 'anchors', number });
  return number;
}

/** False where the source changed meanwhile. */
async function copySegments({ archive, source }: Ends, { from, last }: { from: number; last: number }): Promise<boolean> {
  for (let number = from; number <= last; number += 1) {
    if (!(await copy({ archive, source }, { series: 'segments', number }))) return false;
  }
  return true;
}

async function copy({ archive, source }: Ends, name: ArchiveName): Promise<boolean> {
  const text = await source.get(name);
  if (text === undefined) return false;
  if (!(await archive.put(name, text)) && (await archive.get(name)) !== text) throw new Error(foreign(archive.describe(), name.number));
  return true;
}

function foreign(place: string, number: number): string {
  return `${place} holds a segment ${number} that is not of this journal: it is the archive of another store. Configure an empty one.`;
}
