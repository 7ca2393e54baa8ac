import { crc32 } from 'node:zlib';

/**
 * A row of holds. Rows are longer than a page's entries, so most of their bytes lie on pages that say nothing of themselves (check-file.ts): a checksum
 * in front tells whether they are still what was written. Entries of stores of version 3 are JSON and have none.
 */
export function sealRow(text: string): string {
  return `${crc32(text).toString(16)} ${text}`;
}

/** @throws Error made by `damaged` where the row is not what was written */
export function openRow(stored: string, damaged: () => Error): string {
  if (stored.startsWith('{')) return stored;
  const end = stored.indexOf(' ');
  const text = stored.slice(end + 1);
  if (end < 0 || stored.slice(0, end) !== crc32(text).toString(16)) throw damaged();
  return text;
}
