import { chanceOf } from '../simulation/chance.ts';
import { fire } from './fire.ts';
import { createJudge, judgeHeard } from './judge.ts';
import { mutatedCase } from './mutate.ts';
import { type FuzzStand, startFuzzStand } from './stand.ts';

/** One thing to send: bytes with marks in them, in one piece or cut in two. */
export interface FuzzCase {
  readonly bytes: Buffer;
  readonly cutAt?: number;
}

export interface FuzzResult {
  readonly cases: number;
  /** How often each status was the first answer; `none` where nothing came. */
  readonly statuses: ReadonlyMap<string, number>;
  /** What was wrong, and the cases that bring it about: one where one alone does. */
  readonly failure?: { readonly wrong: readonly string[]; readonly cases: readonly FuzzCase[] };
  readonly residentBytes: number;
}

const atOnce = 24;
/** Most cases that are no whole request are given up so early; one that is looked for gets the time it needs on a busy machine. */
const silenceMs = { fuzz: 150, replay: 1_500 } as const;
const batchCases = 480;

/** Case number `nth` of a seed is the same wherever it is drawn. */
export function caseOf(seed: number, nth: number): FuzzCase {
  const chance = chanceOf((seed * 1_000_003 + nth) | 0);
  const bytes = mutatedCase(chance);
  return chance.is(0.2) && bytes.length > 1 ? { bytes, cutAt: chance.between(1, bytes.length - 1) } : { bytes };
}

/** Sends cases in batches until there are enough or the time is over, and judges after each batch. Ends with the first failure, searched for in its batch. */
export async function runFuzz(options: {
  seed: number;
  casesMax: number;
  msMax: number;
  each?: (cases: number) => void;
  found?: (wrong: readonly string[]) => void;
}): Promise<FuzzResult> {
  const { seed, casesMax, msMax, each, found } = options;
  const statuses = new Map<string, number>();
  let cases = 0;
  const stand = await startFuzzStand();
  try {
    const judge = createJudge(stand);
    const end = performance.now() + msMax;
    while (cases < casesMax && performance.now() < end) {
      const batch = Array.from({ length: Math.min(batchCases, casesMax - cases) }, (_, at) => caseOf(seed, cases + at));
      const wrong = [...(await fireAll(stand, batch, { statuses, silenceMsMax: silenceMs.fuzz })), ...(await judge())];
      cases += batch.length;
      each?.(cases);
      if (wrong.length === 0) continue;
      found?.(wrong);
      return { cases, statuses, failure: await narrowDown(wrong, batch), residentBytes: 0 };
    }
    return { cases, statuses, residentBytes: stand.residentBytes() };
  } finally {
    await stand.close();
  }
}

/** Sends these cases to a stand of their own. @returns what was wrong */
export async function replay(cases: readonly FuzzCase[]): Promise<string[]> {
  const stand = await startFuzzStand();
  try {
    const judge = createJudge(stand);
    const wrong = await fireAll(stand, cases, { statuses: new Map(), silenceMsMax: silenceMs.replay });
    return [...wrong, ...(await judge())];
  } finally {
    await stand.close();
  }
}

async function fireAll(
  stand: FuzzStand,
  batch: readonly FuzzCase[],
  { statuses, silenceMsMax }: { statuses: Map<string, number>; silenceMsMax: number },
): Promise<string[]> {
  const wrong: string[] = [];
  const waiting = batch.values();
  const one = async (): Promise<void> => {
    for (const one of waiting) {
      const heard = await fire(stand.gate.mcpUrl, { ...one, bytes: stand.filled(one.bytes) }, silenceMsMax);
      const [first = 'none'] = heard.statuses;
      statuses.set(String(first), (statuses.get(String(first)) ?? 0) + 1);
      wrong.push(...judgeHeard(heard));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return wrong;
}

/** The half that still brings it about, again and again; all of it where no half does by itself. */
async function narrowDown(wrong: readonly string[], batch: readonly FuzzCase[]): Promise<NonNullable<FuzzResult['failure']>> {
  let [left, because] = [batch, wrong];
  while (left.length > 1) {
    const half = left.length >> 1;
    const parts = [left.slice(0, half), left.slice(half)];
    let found: { part: readonly FuzzCase[]; wrong: string[] } | undefined;
    for (const part of parts) {
      const again = await replay(part);
      if (again.length > 0) {
        found = { part, wrong: again };
        break;
      }
    }
    if (!found) break;
    [left, because] = [found.part, found.wrong];
  }
  return { wrong: because, cases: left };
}
