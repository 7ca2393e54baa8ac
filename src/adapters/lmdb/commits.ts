import type { Clock } from '../../ports/clock.ts';

/** Acts that one commit does: a longer one would keep other processes waiting for the write lock. */
export const commitActsMax = 512;

/**
 * A commit with fewer acts that somebody waits for says that not many call, and then nobody waits for others. Where more call, the first act of the
 * next commit waits as long as that one took, at most `lingerMsMax`: by then most of those who will call have called, and share what it costs (ADR 0016).
 */
const lingerActsMin = 8;
const lingerMsMax = 2;

/** How long an act for which no client waits may wait for one to share its commit with, in milliseconds. */
export const patienceMs = 5;

/**
 * Runs an act in a commit.
 * @param options.patient whether it may wait a moment for another act's commit
 * @param options.ahead whether its changes can be told as text: then it may be durable ahead of the commit, and may be done anew as long as nobody was told
 */
export type Commit = <T>(body: () => T, options?: { readonly patient?: boolean; readonly ahead?: boolean }) => Promise<T>;

/** One act that waits for its commit. */
export interface Act {
  readonly patient: boolean;
  readonly ahead: boolean;
  readonly body: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (reason: unknown) => void;
}

/** An act that was done, and is told once that is durable. */
export type Done = { readonly act: Act } & ({ readonly value: unknown } | { readonly thrown: unknown });

export function doAct(act: Act): Done {
  try {
    return { act, value: act.body() };
  } catch (thrown) {
    // It threw before its first write, as every act must; the others go on.
    return { act, thrown };
  }
}

export function tell(done: Done): void {
  if ('thrown' in done) done.act.reject(done.thrown);
  else done.act.resolve(done.value as never);
}

/**
 * Runs acts in transactions, in the order in which they came, as many in one as have come by the time that it begins. While one is being written to
 * disk the next ones gather, so the busier the store, the more acts share what a commit costs. Each act's promise settles once its commit is durable.
 * @param options.transaction runs a body inside one transaction; rejects where it could not be committed
 * @param options.gather runs a body with all writes put off to its end
 * @param options.failed what a failed transaction is told as
 * @param options.later calls back after so many milliseconds
 */
export function createCommits(options: {
  transaction: (body: () => void) => Promise<unknown>;
  gather: <T>(body: () => T) => T;
  failed: (error: unknown) => unknown;
  clock: Pick<Clock, 'monotonic'>;
  later?: (ms: number, act: () => void) => void;
}): Commit {
  const { transaction, gather, clock, later = laterByTimer } = options;
  const waiting: Act[] = [];
  let asked = false;
  let patientAsked = false;
  let lingerMs = 0;

  const commitNext = async (): Promise<void> => {
    let taken: Act[] | undefined;
    let done: Done[] = [];
    let takenAt = 0;
    const take = (): Act[] => {
      const acts = waiting.splice(0, commitActsMax);
      taken = acts;
      takenAt = clock.monotonic();
      asked = waiting.length > 0;
      // Not in this turn: a transaction that is asked for inside another one may become a part of it, and the bound would bound nothing.
      if (asked) queueMicrotask(() => void commitNext());
      return acts;
    };
    try {
      await transaction(() => {
        done = gather(() => take().map(doAct));
      });
    } catch (error) {
      // Where the transaction did not even begin, those who wait for it are told.
      const acts = taken ?? take();
      const reason = await options.failed(error);
      for (const { reject } of acts) reject(reason);
      return;
    }
    const tookMs = clock.monotonic() - takenAt;
    const urgent = done.reduce((count, { act }) => count + (act.patient ? 0 : 1), 0);
    lingerMs = urgent < lingerActsMin ? 0 : Math.min(lingerMsMax, Math.round(tookMs));
    done.forEach(tell);
  };
  const begin = (): void => {
    if (asked || waiting.length === 0) return;
    asked = true;
    if (lingerMs > 0) later(lingerMs, () => void commitNext());
    else void commitNext();
  };
  const beginLater = (): void => {
    if (asked || patientAsked) return;
    patientAsked = true;
    later(patienceMs, () => {
      patientAsked = false;
      begin();
    });
  };
  return <T>(body: () => T, { patient = false, ahead = false }: { patient?: boolean; ahead?: boolean } = {}) =>
    new Promise<T>((resolve, reject) => {
      waiting.push({ patient, ahead, body, resolve: resolve as Act['resolve'], reject });
      if (patient) beginLater();
      else begin();
    });
}

export function laterByTimer(ms: number, act: () => void): void {
  setTimeout(act, ms);
}
