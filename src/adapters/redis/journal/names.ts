import type { ArchiveName, ArchiveSeries } from '../../../ports/archive.ts';

/** Names of the archive that stands in Redis itself, and of what is noted of any archive: all in one slot. */
export const archiveNames = {
  /** Hash: archive, number, line of the newest segment that is known to be kept. */
  note: 'kg:{archive}:note',
  text: ({ series, number }: ArchiveName) => `kg:{archive}:${series}:${number}`,
  /** Sorted set of a series' numbers. */
  numbers: (series: ArchiveSeries) => `kg:{archive}:${series}`,
} as const;
