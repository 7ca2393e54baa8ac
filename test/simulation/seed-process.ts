import { simulatedPolicy } from './policy.ts';
import { runSeed } from './run-seed.ts';

/** A process that lives through one world after another, as it is told their seeds: `fork(this file, [steps])`. It says `ready` once, then one result per seed. */
const steps = Number(process.argv[2]);
const given = await simulatedPolicy();

process.on('message', (seed: number) => {
  // A seed that throws ends this process, and is known by that.
  void runSeed(seed, { ...given, steps }).then((result) => process.send?.(result));
});
process.send?.('ready');
