import type { KeyObject } from 'node:crypto';
import type { Checkpoint } from './record.ts';
import { type LineSigner, lineProblem, membersOfLine, signLine } from './signed-line.ts';

/** A signed statement that stands for the segments that pruning dropped. */
export interface Anchors {
  readonly v: 1;
  readonly archive: string;
  /** The last segment that was dropped. */
  readonly through: number;
  /** Position of the last record that was dropped. */
  readonly position: number;
  /** SHA-256, hex, over the last line of the last segment dropped. */
  readonly line: string;
  /** ISO 8601, UTC. */
  readonly time: string;
  /** The newest checkpoint, at the end of that segment, of every partition used until then. */
  readonly checkpoints: readonly Checkpoint[];
}

export function composeAnchors(anchors: Anchors, signer: LineSigner): string {
  return `${signLine('anchors', anchors, signer)}\n`;
}

/** What anchors state, or why they cannot be believed. */
export function readAnchors(
  text: string,
  { publicKeys, archive, through }: { publicKeys: ReadonlyMap<string, KeyObject>; archive: string; through: number },
): Anchors | { readonly problem: string } {
  const line = text.trimEnd();
  const members = membersOfLine('anchors', line);
  if (members?.v !== 1 || !Array.isArray(members.checkpoints)) return { problem: 'they are not anchors: they were cut or changed' };
  const problem = lineProblem('anchors', line, publicKeys);
  if (problem) return { problem };
  const anchors = members as unknown as Anchors;
  if (anchors.archive !== archive) return { problem: `they belong to another archive (${anchors.archive})` };
  return anchors.through === through ? anchors : { problem: `they stand for segments up to ${anchors.through}` };
}
