import type { Clock } from '../../ports/clock.ts';
import { type Act, type Commit, commitActsMax, type Done, doAct, laterByTimer, patienceMs, tell } from './commits.ts';
import type { Transactions } from './gathering.ts';
import type { WriteAhead } from './write-ahead.ts';

/** A transaction in which nothing was done for so many milliseconds is committed. */
const tickMs = 10;

/** After so many times that, a transaction is committed whatever goes on: other processes wait for the write lock, and see nothing of it before. */
const transactionTicksMax = 5;

/** Where so many acts that somebody waits for are to be expected in that time, a group waits it for company (ADR 0016). */
const lingerActsMin = 8;
const lingerMsMax = 2;

/** The share of the last group in how many acts are expected. */
const freshShare = 0.3;

/** A transaction of LMDB that stays open while acts are done in it. */
interface Open {
  /** Acts that are told when it is committed. */
  readonly closing: Done[];
  /** Whether the file ahead goes on from its base already. */
  begun: boolean;
  /** Commits it. */
  readonly end: () => void;
  /** How it ended: never rejects, resolves to what went wrong. */
  outcome?: { readonly fault: unknown } | 'kept';
}

interface Options {
  /** Runs a body inside one transaction, and commits it once what the body answers has resolved. */
  readonly transaction: (body: () => Promise<void>) => Promise<unknown>;
  readonly transactions: Transactions;
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
 * Commits of the process that alone serves from a store (ADR 0018). It keeps a transaction of LMDB, and with it the write lock, open for some milliseconds. Acts
 * are done in it as they come; what they changed goes to the disk in groups, as text in the file ahead, and they are told once it is there. LMDB's own commit follows, for all of
 * them together. Acts whose changes cannot be told as text end the transaction and are told when LMDB has committed it, and so are those that the file
 * ahead has no room for, or cannot take.
 */
export class AheadCommits {
  private readonly options: Required<Options>;
  /** Acts that no transaction is open for. */
  private readonly waiting: Act[] = [];
  /** Acts that were done in the open transaction and are not on their way to the disk. */
  private undurable: Done[] = [];
  private open: Open | undefined;
  /** From asking for a transaction until it has ended. */
  private current: Promise<void> | undefined;
  /** The last transaction that was ended, until its commit has come to its own end. */
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

  readonly commit: Commit = <T>(body: () => T, { patient = false }: { patient?: boolean } = {}) =>
    new Promise<T>((resolve, reject) => {
      const act: Act = { patient, body, resolve: resolve as Act['resolve'], reject };
      if (this.open) this.take(this.open, act);
      else {
        this.waiting.push(act);
        if (patient) this.askPatiently();
        else this.begin();
      }
    });

  /** Resolves once reads see all that was told so far: in an open transaction they do, and once it is committed. */
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
    while (this.current) {
      await this.catchUp();
      await this.current;
    }
    await this.writing;
  }

  private begin(): void {
    if (this.current || this.waiting.length === 0) return;
    const ended = this.live().finally(() => {
      this.current = undefined;
      this.begin();
    });
    this.current = ended;
  }

  /** The life of one transaction. */
  private async live(): Promise<void> {
    const { transaction, failed } = this.options;
    let open: Open | undefined;
    try {
      await transaction(() => {
        this.options.transactions.begin();
        return new Promise<void>((resolve, reject) => {
          open = { closing: [], begun: false, end: () => this.pour(resolve, reject) };
          this.enter(open);
        });
      });
      if (open) open.outcome = 'kept';
      for (const each of open?.closing ?? []) tell(each);
    } catch (error) {
      const fault = await failed(error);
      // Where it did not even begin, those who wait for it are told.
      if (!open) for (const { reject } of this.waiting.splice(0)) reject(fault);
      else open.outcome = { fault };
      for (const { act } of open?.closing ?? []) act.reject(fault);
      // The next transaction takes in what is ahead of the store, so nothing may be on its way there.
      await this.writing;
    }
  }

  private pour(resolve: () => void, reject: (fault: unknown) => void): void {
    try {
      this.options.transactions.end();
      resolve();
    } catch (fault) {
      reject(fault);
    }
  }

  private enter(open: Open): void {
    this.open = open;
    for (const act of this.waiting.splice(0, commitActsMax)) this.do(act);
    if (this.waiting.length > 0 || !this.options.transactions.tellable()) {
      this.end(open);
      return;
    }
    this.schedule();
    this.watch(open);
  }

  private take(open: Open, act: Act): void {
    this.do(act);
    if (this.options.transactions.tellable()) this.schedule();
    else this.end(open);
  }

  private do(act: Act): void {
    this.undurable.push(doAct(act));
    this.acts += 1;
  }

  /** Commits the transaction: nothing more is done in it. */
  private end(open: Open): void {
    if (this.open !== open) return;
    this.open = undefined;
    this.ending = this.current;
    open.closing.push(...this.undurable);
    this.undurable = [];
    open.end();
  }

  /** Ends the transaction when it was open for long, or nobody came for a while. */
  private watch(open: Open, ticksLeft = transactionTicksMax): void {
    const { acts } = this;
    this.options.later(tickMs, () => {
      if (this.open !== open) return;
      if (ticksLeft <= 1 || acts === this.acts) this.end(open);
      else this.watch(open, ticksLeft - 1);
    });
  }

  private schedule(): void {
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
    else this.options.soon(write);
  }

  /** An act for which no client waits shares what the next one does, for a moment. */
  private askPatiently(): void {
    if (this.patientAsked) return;
    this.patientAsked = true;
    this.options.later(patienceMs, () => {
      this.patientAsked = false;
      if (this.open) this.write();
      else this.begin();
    });
  }

  /** Puts what was done since the last group on the disk. */
  private write(): void {
    const { open } = this;
    if (!open || this.writing || this.undurable.length === 0) return;
    const text = this.options.transactions.redo();
    if (text === undefined) {
      this.end(open);
      return;
    }
    const acts = this.undurable;
    this.undurable = [];
    this.expect(acts);
    // They changed nothing, and what they saw is on the disk: no group is on its way.
    if (text === '') {
      acts.forEach(tell);
      return;
    }
    const { ahead, transactions } = this.options;
    if (!open.begun) ahead.begin(transactions.base() ?? '');
    open.begun = true;
    this.writing = this.put(open, { text, acts }).finally(() => {
      this.writing = undefined;
      this.schedule();
    });
  }

  private async put(open: Open, { text, acts }: { text: string; acts: Done[] }): Promise<void> {
    // A file that fails is no end: LMDB's commit, which these acts then wait for, says whether they are kept.
    const there = await this.options.ahead.append(text).catch(() => false);
    if (there || open.outcome === 'kept') {
      acts.forEach(tell);
      return;
    }
    if (open.outcome) for (const { act } of acts) act.reject(open.outcome.fault);
    else open.closing.push(...acts);
    this.end(open);
  }

  private expect(acts: readonly Done[]): void {
    const now = this.options.clock.monotonic();
    const passedMs = now - this.lastGroupAt;
    this.lastGroupAt = now;
    if (passedMs <= 0) return;
    const urgent = acts.reduce((count, { act }) => count + (act.patient ? 0 : 1), 0);
    this.expected += freshShare * (urgent / passedMs - this.expected);
  }
}
