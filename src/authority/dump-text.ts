import type { KeyObject } from 'node:crypto';
import { type LineSigner, lineProblem, membersOfLine, signLine } from '../domain/signed-line.ts';
import type { KeptEntry } from '../ports/dump.ts';
import { type DumpTotals, dumpKinds } from './dump-tally.ts';
import { Conflict } from './problems.ts';

const version = 1;

/** The first line of every file. */
export const dumpHeader: string = JSON.stringify({ keygate: 'store', v: version });

/** What the last line of a file says of all lines before it. */
export interface DumpSeal extends DumpTotals {
  readonly v: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** SHA-256, hex, over every line before this one with its line feed. */
  readonly sha256: string;
}

/** The last line: signed, because whoever could change a balance in the file could otherwise give it the right sums too. */
export function sealDump(members: Omit<DumpSeal, 'v'>, signer: LineSigner): string {
  return signLine('dump', { v: version, ...members }, signer);
}

/** @throws Conflict for a line that is no seal, or is signed by none of these keys */
export function readSeal(line: string, publicKeys: ReadonlyMap<string, KeyObject>): DumpSeal {
  const members = membersOfLine('dump', line);
  if (!members) throw new Conflict('The file has no last line that says what it holds: it was cut, or is not an export of a store.');
  const problem = lineProblem('dump', line, publicKeys);
  if (problem) {
    throw new Conflict(`The last line of the file cannot be believed: ${problem}. The signing keys must be those of the exported store.`);
  }
  if (members['v'] !== version) throw unreadable();
  return members as unknown as DumpSeal;
}

/** @throws Conflict for a line that this build did not write */
export function readEntry(line: string): KeptEntry {
  const entry = parse(line);
  const is = typeof entry === 'object' && entry !== null && 'is' in entry ? entry.is : undefined;
  if (!dumpKinds.some((kind) => kind === is)) throw unreadable();
  return entry as KeptEntry;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

export function unreadable(): Conflict {
  return new Conflict('The file is not an export that this build can read. Import it with the release that wrote it.');
}
