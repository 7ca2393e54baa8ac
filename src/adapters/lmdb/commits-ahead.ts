import type { Clock } from '../../ports/clock.ts';
import { type Act, type Commit, commitActsMax, type Done, doAct, laterByTimer, patienceMs, tell } from './commits.ts';
import { NeedsTransaction, type Rounds } from './rounds.ts';
import type { WriteAhead } from './write-ahead.ts';

/** A round in which nothing was done for so many milliseconds is committed. */
const tickMs = 10;

/** After so many times that, a round is committed whatever goes on: other processes see nothing of it before. */
const roundTicksMax = 5;

/** Where so many acts that somebody waits for are to be expected in that time, a group waits it for company (ADR 0016). */
const lingerActsMin = 8;
const lingerMsMax = 2;

/** The share of the last group in how many acts are expected. */
const freshShare = 0.3;

/** An act that was done, and the group that it went to the file ahead with, if any. */
interface Closing {
  readonly done: Done;
  readonly group?: number;
}

/** A round of acts in memory. */
interface Open {
  /** Acts that are told when it is committed. */
  closing: Closing[];
  /** Groups that were written. */
  groups: number;
  /** The one that is on its way to the disk. */
  writing: Closing[] | undefined;
  /** How it ended; what went wrong, or that it was kept. */
  outcome?: { readonly fault: unknown } | 'kept';
}

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
 * Commits of the process that alone serves from a store (ADR 0020). Acts whose changes can be told as text are done in memory as they come; what they
 * changed goes to the disk in groups, to the file ahead, and they are told once it is there. LMDB's own commit follows some milliseconds later, for all of them together. Other acts
 * end the round: they are done in that commit, and told when it is on the disk. So are acts that the file ahead has no room for, or cannot take. Where another process committed
 * meanwhile, all that was told is in its commit, and what was not is done anew on top of that.
 */
export class AheadCommits {
  private readonly options: Required<Options>;
  /** Acts that are not done yet. */
  private waiting: Act[] = [];
  /** Acts that were done in the open round and are not on their way to the disk. */
  private undurable: Done[] = [];
  private open: Open | undefined;
  /** The transaction that goes on; never rejects. */
  private ending: Promise<void> | undefined;
  private writing: Promise<void> | undefined;
  private asked = false;
  private patientAsked = false;
  private acts = 0;
  private lastGroupAt = 0;
  /** How many acts that somebody waits for come in a millisecond. */
  private expected = 0;

  constructor(options: Options) {
    this.options = { later: laterByTimer, soon: (act) => void setImmediate(act), ...options };
  }

  readonly commit: Commit = <T>(body: () => T, { patient = false, ahead = false }: { patient?: boolean; ahead?: boolean } = {}) =>
    new Promise<T>((resolve, reject) => {
      this.waiting.push({ patient, ahead, body, resolve: resolve as Act['resolve'], reject });
      this.goOn();
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
    const inMemory = this.waiting.every(({ ahead }) => ahead);
    if (inMemory && this.opened()) {
      for (const act of this.waiting.splice(0)) this.do(act);
      if (this.waiting.length === 0) this.schedule();
    }
    if (this.waiting.length === 0) return;
    if (this.open) this.end(this.open);
    else this.endBy(undefined);
  }

  private opened(): Open | undefined {
    if (!this.open && this.options.rounds.begin()) {
      const open: Open = { closing: [], groups: 0, writing: undefined };
      this.open = open;
      this.watch(open);
    }
    return this.open;
  }

  private do(act: Act): void {
    this.acts += 1;
    const done = doAct(act);
    if ('thrown' in done && done.thrown instanceof NeedsTransaction) this.waiting.push(act);
    else this.undurable.push(done);
  }

  /** Ends the round when it was open for long, or nobody came for a while. */
  private watch(open: Open, ticksLeft = roundTicksMax): void {
    const { acts } = this;
    this.options.later(tickMs, () => {
      if (this.open !== open) return;
      if (ticksLeft <= 1 || acts === this.acts) this.end(open);
      else this.watch(open, ticksLeft - 1);
    });
  }

  /** Commits the round: nothing more is done in it. */
  private end(open: Open): void {
    if (this.open !== open) return;
    this.open = undefined;
    open.closing.push(...this.undurable.map((done) => ({ done })));
    this.undurable = [];
    this.endBy(open);
  }

  private endBy(open: Open | undefined): void {
    this.ending = this.transact(open ?? { closing: [], groups: 0, writing: undefined }, open !== undefined).finally(() => {
      this.ending = undefined;
      this.goOn();
    });
  }

  /** One transaction: the end of a round, if there is one, and the acts that wait for it. */
  private async transact(open: Open, begun: boolean): Promise<void> {
    const { transaction, rounds, failed } = this.options;
    let ran = false;
    const doWaiting = (): void => {
      for (const act of this.waiting.splice(0, commitActsMax)) open.closing.push({ done: doAct(act) });
    };
    try {
      await transaction(() => {
        ran = true;
        if (begun && rounds.end(doWaiting)) return;
        rounds.run(() => {
          this.doAnew(open);
          doWaiting();
        });
      });
      open.outcome = 'kept';
      for (const { done } of open.closing) tell(done);
    } catch (error) {
      const fault = await failed(error);
      open.outcome = { fault };
      // The next one takes in what is ahead of the store: nothing may be on its way there, nor anything that is told to have failed.
      await this.writing;
      this.withdraw();
      for (const { done } of open.closing) done.act.reject(fault);
      // Where it did not even begin, those who wait for it are told.
      if (!ran) for (const { reject } of this.waiting.splice(0)) reject(fault);
    }
  }

  private withdraw(): void {
    try {
      this.options.ahead.withdraw();
    } catch {
      // Neither the file nor the database can be written to: it is as it is, and whoever waits is told that it failed.
    }
  }

  /** Another process committed meanwhile: what it did not take in is done on top of that. */
  private doAnew(open: Open): void {
    const taken = this.options.rounds.taken(this.options.rounds.base());
    const all = [...(open.writing ?? []), ...open.closing];
    open.writing = [];
    open.closing = all.map((each) => (each.group !== undefined && each.group < taken ? each : { done: doAct(each.done.act) }));
  }

  private schedule(soon = this.options.soon): void {
    if (this.writing || this.asked || this.undurable.length === 0) return;
    if (!this.undurable.some(({ act }) => !act.patient)) {
      this.askPatiently();
      return;
    }
    this.asked = true;
    const write = (): void => {
      this.asked = false;
      this.write();
    };
    if (this.expected * lingerMsMax >= lingerActsMin) this.options.later(lingerMsMax, write);
    else soon(write);
  }

  /** An act for which no client waits shares what the next one does, for a moment. */
  private askPatiently(): void {
    if (this.patientAsked) return;
    this.patientAsked = true;
    this.options.later(patienceMs, () => {
      this.patientAsked = false;
      this.write();
    });
  }

  /** Puts what was done since the last group on the disk. */
  private write(): void {
    const { open } = this;
    if (!open || this.writing || this.undurable.length === 0) return;
    const { ahead, rounds } = this.options;
    const text = rounds.redo();
    if (open.groups === 0) ahead.begin(rounds.base());
    if (text === '') {
      this.tellOf(open);
      return;
    }
    const group = open.groups;
    open.groups += 1;
    const acts = this.undurable.map((done): Closing => ({ done, group }));
    this.undurable = [];
    this.expect(acts);
    open.writing = acts;
    this.writing = this.put(open, { text, acts }).finally(() => {
      this.writing = undefined;
      // Those who came meanwhile have waited already.
      this.schedule((write) => write());
    });
  }

  /** They changed nothing, and what they saw is on the disk, as no group is on its way. */
  private tellOf(open: Open): void {
    if (!this.options.ahead.stands()) {
      this.end(open);
      return;
    }
    this.undurable.forEach(tell);
    this.undurable = [];
  }

  private async put(open: Open, { text, acts }: { text: string; acts: Closing[] }): Promise<void> {
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

  private expect(acts: readonly Closing[]): void {
    const now = this.options.clock.monotonic();
    const passedMs = now - this.lastGroupAt;
    this.lastGroupAt = now;
    if (passedMs <= 0) return;
    const urgent = acts.reduce((count, { done }) => count + (done.act.patient ? 0 : 1), 0);
    this.expected += freshShare * (urgent / passedMs - this.expected);
  }
}
