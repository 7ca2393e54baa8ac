import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { dealAmong } from '../support/deal-among.ts';
import type { BodiesPiece, BodiesResult, WrongBody } from './bodies.ts';

const program = fileURLToPath(new URL('bodies-process.ts', import.meta.url));
const pieceBodies = 2_000;
/** A body takes some sixty microseconds: a piece that is not over by now hangs. */
const pieceMsMax = 60_000;
const wrongMax = 10;
const shownCharacters = 2_000;

/** Bodies `from` to `from + count - 1` of a seed, on all cores. Prints what came of them. @returns the exit code */
export async function fuzzBodies({ seed, from, count }: BodiesPiece): Promise<number> {
  const began = performance.now();
  const verdicts: Record<string, number> = {};
  const wrong: WrongBody[] = [];
  let [next, done] = [from, 0];
  await dealAmong<BodiesPiece, BodiesResult>({
    ...{ program, processes: Math.min(availableParallelism(), Math.ceil(count / pieceBodies)), msMax: pieceMsMax },
    next() {
      if (next >= from + count || wrong.length >= wrongMax) return undefined;
      const piece = { seed, from: next, count: Math.min(pieceBodies, from + count - next) };
      next += piece.count;
      return piece;
    },
    done(piece, outcome) {
      if ('ended' in outcome) {
        const again = `npm run fuzz -- --seed ${seed} --from ${piece.from} --bodies ${piece.count}`;
        wrong.push({ nth: piece.from, what: `its process ended: ${outcome.ended}; ${again}`, latin1: '' });
        return;
      }
      done += piece.count;
      for (const [verdict, times] of Object.entries(outcome.result.verdicts)) verdicts[verdict] = (verdicts[verdict] ?? 0) + times;
      wrong.push(...outcome.result.wrong);
    },
  });
  for (const { nth, what, latin1 } of wrong.slice(0, wrongMax)) {
    console.error(`body ${nth} of seed ${seed}: ${what}\n${JSON.stringify(latin1.slice(0, shownCharacters))}`);
    console.error(`  again: npm run fuzz -- --seed ${seed} --from ${nth} --bodies 1`);
  }
  const took = ((performance.now() - began) / 1_000).toFixed(1);
  const told = Object.entries(verdicts).map(([verdict, times]) => `${verdict}: ${times}`);
  console.log(
    `${done} bodies in ${took} s; ${told.join(', ')}: ${wrong.length === 0 ? 'all read as an independent parser reads them' : 'WRONG'}`,
  );
  return wrong.length === 0 ? 0 : 1;
}
