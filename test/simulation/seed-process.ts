import { takePieces } from '../support/deal-among.ts';
import { simulatedPolicy } from './policy.ts';
import { runSeed } from './run-seed.ts';
import type { SeedPiece } from './run-seeds.ts';

/** A process that lives through one world after another. */
const given = await simulatedPolicy();
takePieces(({ seed, steps }: SeedPiece) => runSeed(seed, { ...given, steps }));
