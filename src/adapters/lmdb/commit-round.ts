import { type Act, commitActsMax, type Done, doAct, tell } from './commits.ts';
import type { Rounds } from './rounds.ts';
import type { WriteAhead } from './write-ahead.ts';

/** An act that was done, and the group that it went to the file ahead with, if any. */
export interface Closing {
  readonly done: Done;
  readonly group?: number;
}

/** A round of acts in memory. */
export interface Round {
  /** Acts that are told when it is committed. */
  closing: Closing[];
  /** Groups that were written. */
  groups: number;
  /** The one that is on its way to the disk. */
  writing: Closing[] | undefined;
  /** How it ended: what went wrong, or that it was kept. */
  outcome?: { readonly fault: unknown } | 'kept';
}

interface Options {
  /** Whether the round was begun in memory. */
  readonly begun: boolean;
  readonly transaction: (body: () => void) => Promise<unknown>;
  readonly rounds: Rounds;
  readonly ahead: Pick<WriteAhead, 'withdraw'>;
  readonly failed: (error: unknown) => unknown;
  /** Takes acts that wait for a transaction. */
  readonly takeWaiting: (max: number) => readonly Act[];
  /** Resolves once no group is on its way to the disk. */
  readonly written: () => Promise<void> | undefined;
}

/** One transaction: the end of a round, if one was begun, and the acts that wait for it. Tells all of them how it ended; never rejects. */
export async function commitRound(round: Round, options: Options): Promise<void> {
  const { begun, transaction, rounds, failed, takeWaiting } = options;
  let ran = false;
  const doWaiting = (): void => {
    for (const act of takeWaiting(commitActsMax)) round.closing.push({ done: doAct(act) });
  };
  try {
    await transaction(() => {
      ran = true;
      if (begun && rounds.end(doWaiting)) return;
      rounds.run(() => {
        doAnew(round, rounds);
        doWaiting();
      });
    });
    round.outcome = 'kept';
    for (const { done } of round.closing) tell(done);
  } catch (error) {
    const fault = await failed(error);
    round.outcome = { fault };
    // The next one takes in what is ahead of the store: nothing may be on its way there, nor anything that is told to have failed.
    await options.written();
    withdraw(options.ahead);
    for (const { done } of round.closing) done.act.reject(fault);
    // Where it did not even begin, those who wait for it are told.
    if (!ran) for (const { reject } of takeWaiting(Number.POSITIVE_INFINITY)) reject(fault);
  }
}

/** Another process committed meanwhile: what it did not take in is done on top of that. */
function doAnew(round: Round, rounds: Rounds): void {
  const taken = rounds.taken(rounds.base());
  const all = [...(round.writing ?? []), ...round.closing];
  round.writing = undefined;
  round.closing = all.map((each) => (each.group !== undefined && each.group < taken ? each : { done: doAct(each.done.act) }));
}

function withdraw(ahead: Pick<WriteAhead, 'withdraw'>): void {
  try {
    ahead.withdraw();
  } catch {
    // Neither the file nor the database can be written to: it is as it is, and whoever waits is told that it failed.
  }
}
