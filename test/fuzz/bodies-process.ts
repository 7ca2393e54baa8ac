import { simulatedPolicy } from '../simulation/policy.ts';
import { takePieces } from '../support/deal-among.ts';
import { type BodiesPiece, runBodies } from './bodies.ts';

/** A process that takes mutated bodies through the first stage. */
const { policy } = await simulatedPolicy();
takePieces((piece: BodiesPiece) => runBodies(piece, policy));
