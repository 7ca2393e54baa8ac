import { readCount } from './amounts.ts';
import type { Reading } from './problems.ts';
import { child, type Tree } from './tree.ts';

const workersMax = 1_024;

/** 0 stands for one a core. */
export function readWorkers(written: number | string): Reading<number> {
  const reading = readCount(written);
  const fits = 'value' in reading && reading.value >= 0 && reading.value <= workersMax;
  return fits ? reading : { message: `must be a whole number from 0 to ${workersMax}`, hint: '0 is one for each core' };
}

/**
 * How many processes are to serve, at least 1. Where what is written means nothing, which is a problem already, it is 1.
 * @param options.instead  counts in place of what is written
 */
export function workersOf(tree: Tree, { instead, cores }: { instead: number | undefined; cores: number }): number {
  const count = instead ?? writtenWorkers(tree);
  return count === 0 ? cores : count;
}

function writtenWorkers(tree: Tree): number {
  const node = child(tree, 'workers');
  if (node?.kind !== 'leaf' || (typeof node.value !== 'number' && typeof node.value !== 'string')) return 1;
  const reading = readWorkers(node.value);
  return 'value' in reading ? reading.value : 1;
}
