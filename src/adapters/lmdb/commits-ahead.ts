import type { Clock } from '../../ports/clock.ts';
import { type Closing, commitRound, type Round } from './commit-round.ts';
import { type Act, type Commit, commitActsMax, type Done, doAct, laterByTimer, tell } from './commits.ts';
import { GroupTimes } from './group-times.ts';
import { NeedsTransaction, type Rounds } from './rounds.ts';
import type { WriteAhead } from './write-ahead.ts';

/** A round in which nothing was done for so many milliseconds is committed. */
const tickMs = 10;

/** After so many times that, a round is committed whatever goes on: other processes see nothing of it before. */
const roundTicksMax = 5;

interface Options {
  /** Runs a body inside one transaction; rejects where it could not be committed. */
  readonly transaction: (body: () => void) => Promise<unknown>;
  readonly rounds: Rounds;
  readonly ahead: WriteAhead;
  /** What a failed transaction is told as. */
  readonly failed: (error: unknown) => unknown;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Calls back after so many milliseconds. */
  readonly later?: (ms: number, act: () => void) => void;
  /** Calls back in the next turn. */
  readonly soon?: (act: () => void) => void;
}

/**
 * Commits of the process that alone serves from a store (ADR 0020). Acts whose changes can be told as text are done in memory, those of a group one right after the other (ADR 0021); what they
 * changed goes to the disk, to the file ahead, and they are told once it is there. LMDB's own commit follows some milliseconds later, for all of them together. Other acts
 * end the round: they are done in that commit, and told when it is on the disk. So are acts that the file ahead has no room for, or cannot take. Where another process committed
 * meanwhile, all that was told is in its commit, and what was not is done anew on top of that.
 */
export class AheadCommits {
  private readonly options: Required<Options>;
  /** Acts that are not done yet. */
  private waiting: Act[] = [];
  private open: Round | undefined;
  /** The transaction that goes on; never rejects. */
  private ending: Promise<void> | undefined;
  private writing: Promise<void> | undefined;
  private acts = 0;
  private readonly times: GroupTimes;

  constructor(options: Options) {
    this.options = { later: laterByTimer, soon: (act) => void setImmediate(act), ...options };
    const { clock, later } = this.options;
    this.times = new GroupTimes({ clock, later, write: () => this.write() });
  }

  readonly commit: Commit = <T>(body: () => T, { patient = false, ahead = false }: { patient?: boolean; ahead?: boolean } = {}) =>
    new Promise<T>((resolve, reject) => {
      const act: Act = { patient, ahead, body, resolve: resolve as Act['resolve'], reject };
      this.waiting.push(act);
      // In an open round all that waits can be done ahead, so only this one is looked at.
      if (this.open && ahead) this.schedule([act]);
      else this.goOn();
    });

  /** Resolves once reads see all that was told so far: in an open round they do, and once it is committed. */
  async readable(): Promise<void> {
    await this.ending;
  }

  /** Resolves once LMDB has all that was told so far. */
  async catchUp(): Promise<void> {
    if (this.open) this.end(this.open);
    await this.ending;
  }

  /** Resolves once LMDB has everything, and nothing goes on any more. */
  async finish(): Promise<void> {
    while (this.open || this.ending || this.writing) {
      await this.catchUp();
      await this.writing;
    }
  }

  private goOn(): void {
    if (this.ending || this.waiting.length === 0) return;
    if (this.waiting.every(({ ahead }) => ahead) && this.opened()) this.schedule();
    else if (this.open) this.end(this.open);
    else this.endBy(undefined);
  }

  private opened(): Round | undefined {
    if (!this.open && this.options.rounds.begin()) {
      const open: Round = { closing: [], groups: 0, writing: undefined };
      this.open = open;
      this.watch(open);
    }
    return this.open;
  }

  /** Does what waits, as far as it can be done in memory. What needs a transaction waits on, and then not all is done. */
  private doWaiting(): { done: Done[]; all: boolean } {
    const asked = this.waiting.splice(0, commitActsMax);
    this.acts += asked.length;
    const done: Done[] = [];
    const aside: Act[] = [];
    for (const act of asked) {
      const one = doAct(act);
      if ('thrown' in one && one.thrown instanceof NeedsTransaction) aside.push(act);
      else done.push(one);
    }
    this.waiting.unshift(...aside);
    return { done, all: aside.length === 0 };
  }

  /** Ends the round when it was open for long, or nobody came for a while. */
  private watch(open: Round, ticksLeft = roundTicksMax): void {
    const { acts } = this;
    this.options.later(tickMs, () => {
      if (this.open !== open) return;
      if (ticksLeft <= 1 || acts === this.acts) this.end(open);
      else this.watch(open, ticksLeft - 1);
    });
  }

  /** Commits the round, with what waits. @param done  what was done in it and is in no group */
  private end(open: Round, done: readonly Done[] = []): void {
    open.closing.push(...done.map((each) => ({ done: each })));
    if (this.open !== open) return;
    this.open = undefined;
    this.endBy(open);
  }

  private endBy(open: Round | undefined): void {
    const { transaction, rounds, ahead, failed } = this.options;
    const round = open ?? { closing: [], groups: 0, writing: undefined };
    this.ending = commitRound(round, {
      ...{ begun: open !== undefined, transaction, rounds, ahead, failed },
      takeWaiting: (max) => this.waiting.splice(0, max),
      written: () => this.writing,
    }).finally(() => {
      this.ending = undefined;
      this.goOn();
    });
  }

  /** @param acts  of those that wait, the ones that were not looked at yet */
  private schedule(acts: readonly Act[] = this.waiting, soon = this.options.soon): void {
    if (this.writing || acts.length === 0) return;
    if (acts.some(({ patient }) => !patient)) this.times.ask(soon);
    else this.times.askPatiently();
  }

  /** Does what waits, and puts it on the disk. */
  private write(): void {
    const { open } = this;
    if (!open || this.writing || this.waiting.length === 0) return;
    const { ahead, rounds } = this.options;
    const { done, all } = this.doWaiting();
    if (!all) {
      this.end(open, done);
      return;
    }
    const text = rounds.redo();
    if (open.groups === 0) ahead.begin(rounds.base());
    if (text === '') {
      this.tellOf(open, done);
      return;
    }
    const group = open.groups;
    open.groups += 1;
    const acts = done.map((each): Closing => ({ done: each, group }));
    this.times.wrote(acts.filter((each) => !each.done.act.patient).length);
    open.writing = acts;
    this.writing = this.put(open, { text, acts }).finally(() => {
      this.writing = undefined;
      // Those who came meanwhile have waited already.
      this.schedule(this.waiting, (write) => write());
    });
  }

  /** They changed nothing, and what they saw is on the disk, as no group is on its way. */
  private tellOf(open: Round, done: readonly Done[]): void {
    if (!this.options.ahead.stands()) {
      this.end(open, done);
      return;
    }
    done.forEach(tell);
    this.schedule(this.waiting, (write) => write());
  }

  private async put(open: Round, { text, acts }: { text: string; acts: Closing[] }): Promise<void> {
    // A file that fails is no end: LMDB's commit, which these acts then wait for, says whether they are kept.
    const there = await this.options.ahead.append(text).catch(() => 'failed');
    if (open.writing !== acts) return;
    open.writing = undefined;
    const { outcome } = open;
    if (there === 'stands' || outcome === 'kept') for (const { done } of acts) tell(done);
    else if (outcome) for (const { done } of acts) done.act.reject(outcome.fault);
    else {
      open.closing.push(...acts);
      this.end(open);
    }
  }
}
