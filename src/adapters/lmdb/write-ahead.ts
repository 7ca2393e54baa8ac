import { closeSync, fdatasync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';

/**
 * The file in which changes are on the disk before LMDB commits them (ADR 0020). It is of a fixed size and written from its front, again and again, so a
 * flush writes the pages that changed and nothing about the file. Groups of changes lie one after the other, each at the beginning of a page, so that writing one never
 * writes a page of one before it anew. Each names the mark of the commit that it goes on from (its base): once the store has another mark, they
 * say nothing any more.
 *
 * The first page is the fence. A process that is about to commit on top of a base says so there, and only then looks for groups, which it takes into its commit.
 * Whoever appends a group looks at the fence only after the group was written. So one of the two sees the other: a group is taken in, or it is known that it may not be.
 */
export interface WriteAhead {
  /** From now on groups go on from this mark, and begin at the front. */
  begin(base: string): void;
  /**
   * Puts a group behind those that there are. Resolves once it is on the disk and stands: no other process commits on top of its base without it. 'fenced' where
   * one may do so, and then it is there or not; 'full' where there was no room and nothing was written. @throws what the system says; the group may then be there or not
   */
  append(text: string): Promise<'stands' | 'fenced' | 'full'>;
  /** Whether no other process has committed on top of the base, nor is about to. */
  stands(): boolean;
  /** Takes the last group back where it does not stand for certain: those who waited for it are told that it failed. */
  withdraw(): void;
  /** The texts of the groups that go on from a mark, in their order: of its own ones those that stand for certain. */
  texts(base: string): string[];
  close(): void;
}

export const aheadBytesMax = 512 * 1024;

/** What a disk writes whole, or not at all. */
const pageBytes = 4096;

const flushed = promisify(fdatasync);

/**
 * @param path  a file that is made where there is none; its folder must exist
 * @param isNow  whether the store has this mark now, as the newest commit of any process left it
 */
export function openWriteAhead(path: string, isNow: (base: string) => boolean): WriteAhead {
  closeSync(openSync(path, 'a', 0o600));
  const file = openSync(path, 'r+');
  prepare(file, path);
  let base = '';
  let index = 0;
  let certain = 0;
  /** Where a group is put together: one is on its way at a time. */
  const group = Buffer.alloc(aheadBytesMax);
  /** Where the last group is, and where the next one will be. */
  let lastAt = pageBytes;
  let at = pageBytes;
  /** The fence as it was when this base was begun with, and where it is looked at. */
  const before = Buffer.alloc(fenceBytes);
  const page = Buffer.alloc(fenceBytes);
  let free = false;
  const stands = (): boolean => {
    readSync(file, page, 0, fenceBytes, 0);
    return free && page.equals(before);
  };
  return {
    begin(of) {
      base = of;
      index = 0;
      certain = 0;
      at = pageBytes;
      // In this order: whoever fences this base from now on changes the page, and whoever did before has either not committed yet, or the store has another mark.
      readSync(file, before, 0, fenceBytes, 0);
      free = !names(before, base) && isNow(base);
    },
    async append(text) {
      const bytes = Buffer.byteLength(text);
      const length = headBytes + bytes;
      if (at + length > aheadBytesMax) return 'full';
      // Where another gateway took the claim the file is that one's by now.
      if (!stands()) return 'fenced';
      group.write(text, headBytes);
      group.write(headOf({ base, index, bytes, sum: crc32(group.subarray(headBytes, length)) }).padEnd(headBytes));
      index += 1;
      lastAt = at;
      at = nextPage(at + length);
      const written = writeSync(file, group, 0, length, lastAt);
      if (written !== length) throw new Error(`Of ${length} bytes ${written} were written to ${path}.`);
      await flushed(file);
      if (!stands()) return 'fenced';
      certain = index;
      return 'stands';
    },
    stands,
    withdraw() {
      if (index === certain) return;
      writeSync(file, Buffer.alloc(magic.length + 2), 0, magic.length + 2, lastAt);
      index = certain;
      at = lastAt;
    },
    texts: (of) => textsIn(file, of === base ? { base, max: certain } : { base: of }),
    close: () => closeSync(file),
  };
}

/**
 * Says that a commit on top of this base is about to be made, and answers the texts of the groups that it must take in, in their order; none where there is no
 * such file. To be called with the write lock held. The last group may be one of which nobody was told.
 */
export function fenceAhead(path: string, base: string): string[] {
  const file = openOr(path);
  if (file === undefined) return [];
  try {
    const page = Buffer.alloc(fenceBytes);
    page.write(`${JSON.stringify([base, crc32(base)])}\n`);
    writeSync(file, page, 0, page.length, 0);
    return textsIn(file, { base });
  } finally {
    closeSync(file);
  }
}

const fenceBytes = 256;

/** Whether a fence is on this base. One that cannot be read, because it is being written, may be. */
function names(page: Buffer, base: string): boolean {
  if (page[0] === 0) return false;
  try {
    const [of, sum] = JSON.parse(page.toString('utf8', 0, page.indexOf('\n'))) as [string, number];
    return of === base || crc32(of) !== sum;
  } catch {
    return true;
  }
}

function textsIn(file: number, { base, max = Number.POSITIVE_INFINITY }: { base: string; max?: number }): string[] {
  const texts: string[] = [];
  for (let at = pageBytes; texts.length < max; ) {
    const head = headAt(file, at);
    if (head?.base !== base || head.index !== texts.length) break;
    const body = Buffer.alloc(head.bytes);
    if (readSync(file, body, 0, head.bytes, at + headBytes) < head.bytes || crc32(body) !== head.sum) break;
    texts.push(body.toString());
    at = nextPage(at + headBytes + head.bytes);
  }
  return texts;
}

function nextPage(at: number): number {
  return Math.ceil(at / pageBytes) * pageBytes;
}

interface Head {
  readonly base: string;
  /** How many groups lie before it. */
  readonly index: number;
  readonly bytes: number;
  /** CRC-32 of its text. */
  readonly sum: number;
}

const magic = 'keygate-ahead-1';

/** What a head has room for: its text, a line break and spaces. */
const headBytes = 256;

function headOf({ base, index, bytes, sum }: Head): string {
  return `${JSON.stringify([magic, base, index, bytes, sum])}\n`;
}

function headAt(file: number, at: number): Head | undefined {
  const page = Buffer.alloc(headBytes);
  const read = readSync(file, page, 0, page.length, at);
  const end = page.subarray(0, read).indexOf('\n');
  if (end < 0) return undefined;
  try {
    const [named, base, index, bytes, sum] = JSON.parse(page.toString('utf8', 0, end)) as [string, string, number, number, number];
    const fits = named === magic && Number.isSafeInteger(bytes) && bytes >= 0 && bytes <= aheadBytesMax;
    return fits ? { base, index, bytes, sum } : undefined;
  } catch {
    return undefined;
  }
}

/** Gives the file its size and all its pages, on the disk: what is written to it later must not need any more room. */
function prepare(file: number, path: string): void {
  const last = Buffer.alloc(1);
  if (readSync(file, last, 0, 1, aheadBytesMax - 1) === 1) return;
  const zeros = Buffer.alloc(64 * 1024);
  for (let at = 0; at < aheadBytesMax; at += zeros.length) writeSync(file, zeros, 0, zeros.length, at);
  fsyncSync(file);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

function openOr(path: string): number | undefined {
  try {
    return openSync(path, 'r+');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
