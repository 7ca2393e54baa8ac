import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

/**
 * Looks through a database file before LMDB maps it, because LMDB trusts its pages: garbage in one would end the process (SIGBUS,
 * SIGSEGV), and an empty file would quietly become a new, empty store. Both meta pages and every tree page up to a limit
 * are checked: page number, kind, bounds of every node, page numbers within the file.
 *
 * Not detectable here: changes inside keys and values (LMDB has no checksums; `keygate journal verify` finds them in the
 * journal), and damage beyond the first 16384 pages (64 MiB) of tree.
 * @param path  the data file; a file that does not exist is fine
 * @throws Error naming the file and what to do
 */
export function checkFile(path: string): void {
  if (!existsSync(path)) return;
  // Another process that is just creating the store has the file empty for a moment.
  for (let wait = 0; wait < 50 && sizeOf(path) === 0; wait += 1) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const file = openSync(path, 'r');
    try {
      const before = readMeta(file);
      const problem = 'problem' in before ? before.problem : walk(file, before);
      if (problem === undefined) return;
      const after = readMeta(file);
      // A live process that commits meanwhile reuses pages under our feet: what was seen then means nothing.
      if ('problem' in before || 'problem' in after || before.txnId === after.txnId) throw damaged(path, problem);
    } finally {
      closeSync(file);
    }
  }
}

/** What an operator is told about a damaged file. */
export function damaged(path: string, problem: string, cause?: unknown): Error {
  return new Error(
    `The store file ${path} is damaged: ${problem}. Nothing was changed. Restore the store from a backup; ` +
      'run `keygate journal verify` on the restored store, or on an export, to see what it holds.',
    { cause },
  );
}

interface Meta {
  readonly txnId: bigint;
  readonly pageSize: number;
  readonly roots: readonly bigint[];
}

/** Offsets in this LMDB's page and meta layout (data version 2), in bytes. */
const at = {
  pageFlags: 18,
  lower: 20,
  upper: 22,
  header: 24,
  magic: 24,
  version: 28,
  pageSize: 48,
  freeRoot: 88,
  mainRoot: 136,
  txnId: 152,
};
const kind = { branch: 1, leaf: 2, overflow: 4, meta: 8 };
const node = { header: 8, bigValue: 1, subTree: 2 };
const noPage = 0xffff_ffff_ffff_ffffn;
const pagesMax = 16_384;

function readMeta(file: number): Meta | { problem: string } {
  const size = fstatSync(file).size;
  const first = metaAt(file, 0);
  if ('problem' in first) return first;
  if (size < 2 * first.pageSize) return { problem: `it is cut short at ${size} bytes` };
  const second = metaAt(file, first.pageSize);
  if ('problem' in second) return second;
  return second.txnId > first.txnId ? second : first;
}

function metaAt(file: number, offset: number): Meta | { problem: string } {
  const page = Buffer.alloc(168);
  const name = offset === 0 ? 'its first page' : 'its second page';
  if (readSync(file, page, 0, page.length, offset) < page.length) return { problem: `${name} is cut short` };
  // Both meta pages state their own number: one in the other's place would quietly bring back the state before the last commit.
  const number = offset === 0 ? 0n : 1n;
  if (page.readBigUInt64LE(0) !== number || page.readUInt16LE(at.pageFlags) !== kind.meta || page.readUInt32LE(at.magic) !== 0xbeefc0de) {
    return { problem: `${name} is not the page of an LMDB database` };
  }
  const pageSize = page.readUInt32LE(at.pageSize);
  if (page.readUInt32LE(at.version) !== 2 || pageSize < 512 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0) {
    return { problem: `${name} states a format that this build does not read` };
  }
  const roots = [page.readBigUInt64LE(at.freeRoot), page.readBigUInt64LE(at.mainRoot)];
  return { txnId: page.readBigUInt64LE(at.txnId), pageSize, roots };
}

/** Visits tree pages depth first. Returns the first problem. */
function walk(file: number, { pageSize, roots }: Meta): string | undefined {
  const page = Buffer.alloc(pageSize);
  const waiting: { number: bigint; kinds: number }[] = roots.map((number) => ({ number, kinds: kind.branch | kind.leaf }));
  for (let seen = 0; seen < pagesMax; seen += 1) {
    const next = waiting.pop();
    if (!next) return undefined;
    if (next.number === noPage) continue;
    const offset = next.number * BigInt(pageSize);
    if (next.number < 2n || offset > Number.MAX_SAFE_INTEGER) return `a page number is impossible (${next.number})`;
    if (readSync(file, page, 0, pageSize, Number(offset)) < pageSize) return `page ${next.number} lies beyond its end`;
    const flags = page.readUInt16LE(at.pageFlags);
    if (page.readBigUInt64LE(0) !== next.number || ![kind.branch, kind.leaf, kind.overflow].includes(flags) || (flags & next.kinds) === 0) {
      return `page ${next.number} holds something else`;
    }
    if (flags === kind.overflow) continue;
    const found = flags === kind.branch ? branchNodes(page) : leafNodes(page);
    if (!found) return `page ${next.number} is garbled`;
    waiting.push(...found);
  }
  return undefined;
}

type Found = { number: bigint; kinds: number }[];

/** Start of every node of a page; undefined where one lies outside. */
function nodeStarts(page: Buffer): number[] | undefined {
  const lower = page.readUInt16LE(at.lower);
  const upper = page.readUInt16LE(at.upper);
  if (lower % 2 !== 0 || lower > upper || upper + at.header > page.length) return undefined;
  const starts: number[] = [];
  for (let index = 0; index < lower / 2; index += 1) {
    const start = page.readUInt16LE(at.header + 2 * index);
    if (start < upper || start + at.header + node.header > page.length) return undefined;
    starts.push(start + at.header);
  }
  return starts;
}

function branchNodes(page: Buffer): Found | undefined {
  return nodeStarts(page)?.map((start) => ({ number: BigInt(page.readUIntLE(start, 6)), kinds: kind.branch | kind.leaf }));
}

function leafNodes(page: Buffer): Found | undefined {
  const found: Found = [];
  for (const start of nodeStarts(page) ?? [-1]) {
    if (start === -1) return undefined;
    const flags = page.readUInt16LE(start + 4);
    const value = start + node.header + page.readUInt16LE(start + 6);
    const length = (flags & node.bigValue) !== 0 ? 24 : page.readUInt32LE(start);
    if (flags > 7 || value + length > page.length) return undefined;
    if ((flags & node.bigValue) !== 0) found.push({ number: page.readBigUInt64LE(value), kinds: kind.overflow });
    // A named database: its root is the last member of the 48 bytes that describe it.
    if (flags === node.subTree && length === 48) found.push({ number: page.readBigUInt64LE(value + 40), kinds: kind.branch | kind.leaf });
  }
  return found;
}

function sizeOf(path: string): number {
  const file = openSync(path, 'r');
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}
