import { generateURI, ScureBase32Plugin, verify as verifyCode } from 'otplib';
import { Denial } from '../domain/denial.ts';
import type { Seal } from '../domain/seal.ts';
import type { Clock } from '../ports/clock.ts';
import type { Factor, Factors } from '../ports/factors.ts';
import type { Actor } from '../ports/keyring.ts';
import type { Throttle } from '../ports/throttle.ts';
import { Conflict } from './problems.ts';
import { timeText } from './view.ts';

/** A second factor as its owner puts it into an authenticator app. Shown once. */
export interface Enrolment {
  /** Base32 (RFC 4648), 160 bits. */
  readonly secret: string;
  /** `otpauth://totp/…`, what a QR code holds. */
  readonly uri: string;
}

export type StepUpAnswer =
  | { readonly ok: true; readonly freshUntil: number }
  | { readonly ok: false; readonly reason: 'wrong' | 'locked' | 'not-enrolled'; readonly retryAfterMs?: number };

/** Step-up: a second factor, time-based one-time codes (RFC 6238), that certain acts of a key need passed a short while ago. */
export interface StepUp {
  /**
   * Gives the key a new second factor; it counts once its first code was right, and the one before ends at once.
   * A key itself may only renew it while a step-up is fresh: whoever stole the key must not be able to enrol. The first is an operator's act.
   * @param by who asks; whether an actor other than the key may, is judged by whoever calls
   * @throws Denial STEP_UP_REQUIRED, Conflict where somebody else enrolled the key at the same time
   */
  enrol(keyId: string, by: Actor): Promise<Enrolment>;
  /** Takes a code of six digits. Each is good once. @throws Conflict where the factor keeps changing */
  verify(keyId: string, code: string): Promise<StepUpAnswer>;
  /** Until when the passed step-up of this key lasts, ms since the epoch; 0 where none lasts. */
  freshUntil(keyId: string, now: number): Promise<number>;
}

/** What authenticator apps take for granted: SHA-1, six digits, thirty seconds. One step to either side allows for clocks (section 5.2). */
const stepSeconds = 30;
const secretBytes = 20;
/** Guessing: five wrong codes lock the factor, and each one after a lock has ended locks it for twice as long, up to an hour. */
const wrongCodesMax = 5;
const lockMsMin = 300_000;
const lockMsMax = 3_600_000;
/** Attempts a minute on one key, before anything is read or written. */
const attemptsPerMinuteMax = 20;
/** A factor that another attempt changed first is read again. */
const triesMax = 8;

/** @param options.freshForMs how long a passed step-up lasts */
export function createStepUp(options: {
  factors: Factors;
  seal: Seal;
  random: (bytes: number) => Uint8Array;
  clock: Clock;
  freshForMs: number;
  throttle?: Throttle;
}): StepUp {
  const { factors, seal, random, clock, freshForMs, throttle } = options;

  const freshUntil = async (keyId: string, now: number): Promise<number> => {
    const factor = await factors.get(keyId);
    return factor?.confirmed && now < factor.freshUntil ? factor.freshUntil : 0;
  };

  /** One attempt on the factor as it stands; undefined where it was changed meanwhile. */
  const attempt = async (keyId: string, code: string): Promise<StepUpAnswer | undefined> => {
    const factor = await factors.get(keyId);
    const now = clock.now();
    if (!factor) return { ok: false, reason: 'not-enrolled' };
    if (now < factor.lockedUntil) return { ok: false, reason: 'locked', retryAfterMs: factor.lockedUntil - now };
    const secret = seal.open({ purpose: 'totp', bound: [keyId], sealed: factor.sealedSecret });
    if (secret === undefined) throw new Error(`the second factor of key ${keyId} cannot be opened: it was sealed under another secret`);
    const step = await stepOf({ secret, code, now, lastStep: factor.lastStep });
    const next = step === undefined ? failed(factor, now) : passed(factor, { step, freshUntil: now + freshForMs });
    const kind = step === undefined ? 'stepup.failed' : 'stepup.passed';
    const locked = next.lockedUntil > now ? { lockedUntil: timeText(next.lockedUntil) } : {};
    const until = step === undefined ? {} : { freshUntil: timeText(next.freshUntil) };
    const kept = await factors.put({ factor: next, expected: factor.revision, record: { kind, keyId, ...locked, ...until } });
    if (!kept) return undefined;
    if (step !== undefined) return { ok: true, freshUntil: next.freshUntil };
    return { ok: false, reason: 'wrong', ...(next.lockedUntil > now ? { retryAfterMs: next.lockedUntil - now } : {}) };
  };

  return {
    freshUntil,
    async enrol(keyId, by) {
      const before = await factors.get(keyId);
      if (by.keyId === keyId && (await freshUntil(keyId, clock.now())) === 0) {
        const detail = before?.confirmed
          ? 'Pass a step-up with the factor enrolled before.'
          : 'An operator enrols the first factor of a key.';
        throw new Denial('STEP_UP_REQUIRED', { detail, facts: { keyId } });
      }
      const secret = new ScureBase32Plugin().encode(random(secretBytes));
      const sealedSecret = seal.seal({ purpose: 'totp', bound: [keyId], plain: secret });
      const expected = before?.revision ?? 0;
      const clean = { confirmed: false, lastStep: 0, freshUntil: 0, failures: 0, lockedUntil: 0 };
      const kept = await factors.put({
        factor: { keyId, sealedSecret, ...clean, revision: expected + 1 },
        expected,
        record: { kind: 'stepup.enrolled', keyId, via: by.via, ...(by.keyId === undefined ? {} : { byKeyId: by.keyId }) },
      });
      if (!kept) throw new Conflict('Somebody else enrolled this key at the same time.');
      return { secret, uri: generateURI({ issuer: 'keygate', label: keyId, secret, period: stepSeconds, digits: 6, algorithm: 'sha1' }) };
    },
    async verify(keyId, code) {
      const taken = await throttle?.take({ key: `step-up:${keyId}`, calls: attemptsPerMinuteMax, perSeconds: 60 });
      if (taken && !taken.allowed) return { ok: false, reason: 'locked', retryAfterMs: taken.retryAfterMs };
      for (let tries = 0; tries < triesMax; tries += 1) {
        const answer = await attempt(keyId, code);
        if (answer) return answer;
      }
      // Right or wrong, an attempt that is not on record says nothing of the code.
      throw new Conflict('The second factor of this key keeps changing. Try again.');
    },
  };
}

/** The time step whose code this is; undefined where it is of none that may still be used. */
async function stepOf(options: { secret: string; code: string; now: number; lastStep: number }): Promise<number | undefined> {
  const { secret, code, now, lastStep } = options;
  if (!/^[0-9]{6}$/.test(code)) return undefined;
  const epoch = Math.floor(now / 1000);
  // A clock that went back: every code near now is older than one that was taken, and the library would throw.
  if (lastStep > Math.floor(epoch / stepSeconds) + 1) return undefined;
  const result = await verifyCode({
    secret,
    token: code,
    epoch,
    period: stepSeconds,
    epochTolerance: stepSeconds,
    afterTimeStep: lastStep,
  });
  return result.valid && 'timeStep' in result ? result.timeStep : undefined;
}

function passed(factor: Factor, { step, freshUntil }: { step: number; freshUntil: number }): Factor {
  return { ...factor, confirmed: true, lastStep: step, freshUntil, failures: 0, lockedUntil: 0, revision: factor.revision + 1 };
}

function failed(factor: Factor, now: number): Factor {
  const failures = factor.failures + 1;
  const doublings = failures - wrongCodesMax;
  const lockedUntil = doublings < 0 ? 0 : now + Math.min(lockMsMax, lockMsMin * 2 ** Math.min(doublings, 10));
  return { ...factor, failures, lockedUntil, revision: factor.revision + 1 };
}
