import type { ArchiveName, ArchiveSeries } from '../../ports/archive.ts';

/** Objects of one sub-folder: a folder that is listed stays short. */
const perFolder = 10_000;
const numberDigits = 12;
const folderDigits = 8;

/** `segments/00000001`, of the objects 10,000 to 19,999. */
export function folderOf({ series, number }: ArchiveName): string {
  return `${series}/${String(Math.floor(number / perFolder)).padStart(folderDigits, '0')}`;
}

/** `segments/00000001/000000012345.jsonl`. */
export function objectName(name: ArchiveName): string {
  return `${folderOf(name)}/${baseName(name.number)}`;
}

export function baseName(number: number): string {
  return `${String(number).padStart(numberDigits, '0')}.jsonl`;
}

/** The number in an object's last name, or undefined where it is not one of ours. */
export function numberOf(base: string): number | undefined {
  const match = /^([0-9]{12})\.jsonl$/.exec(base);
  return match ? Number(match[1]) : undefined;
}

/** True for the last name of a sub-folder. */
export function isFolderName(base: string): boolean {
  return /^[0-9]{8}$/.test(base);
}

/** Begins every name of a series. */
export function seriesPrefix(series: ArchiveSeries): string {
  return `${series}/`;
}
