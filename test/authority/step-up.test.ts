import { generateSync } from 'otplib';
import { describe, expect, it } from 'vitest';
import { createStepUp } from '../../src/authority/step-up.ts';
import { createSeal } from '../../src/domain/seal.ts';
import type { Factor, Factors } from '../../src/ports/factors.ts';
import type { Throttle } from '../../src/ports/throttle.ts';
import { hour, minute, start, steppedClock } from '../ports/subject.ts';

const operator = { via: 'cli' } as const;

/** Step-up over a plain map, on a clock of the test's. */
function stepUpOn(options: { throttle?: Throttle } = {}) {
  const clock = steppedClock();
  const kept = new Map<string, Factor>();
  const records: Record<string, unknown>[] = [];
  let steal: (() => void) | undefined;
  const factors: Factors = {
    get: async (keyId) => kept.get(keyId),
    async put({ factor, expected, record }) {
      steal?.();
      if ((kept.get(factor.keyId)?.revision ?? 0) !== expected) return false;
      expect(factor.revision).toBe(expected + 1);
      kept.set(factor.keyId, factor);
      records.push(record);
      return true;
    },
  };
  let counter = 0;
  const random = (bytes: number) => {
    counter += 1;
    return Buffer.alloc(bytes, counter);
  };
  const seal = createSeal({ secrets: ['s'.repeat(40)], random });
  const stepUp = createStepUp({ factors, seal, random, clock, freshForMs: 5 * minute, ...options });
  return {
    ...{ stepUp, clock, kept, records },
    /** Does something to the store before each write. */
    beforePut: (act: () => void) => {
      steal = act;
    },
    kinds: () => records.map(({ kind }) => kind),
    code: (secret: string, at = clock.now()) => generateSync({ secret, epoch: at / 1000 }),
  };
}

/** A code that is right at no time near now. */
function wrongCode(right: readonly string[]): string {
  return ['000000', '111111', '222222', '333333', '444444'].find((code) => !right.includes(code)) ?? '555555';
}

describe('enrolling', () => {
  it('gives a secret of 160 bits and what an authenticator app reads', async () => {
    const { stepUp, kept, records } = stepUpOn();
    const { secret, uri } = await stepUp.enrol('ABCD1234', operator);
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    const parsed = new URL(uri);
    expect([parsed.protocol, parsed.host, decodeURIComponent(parsed.pathname)]).toEqual(['otpauth:', 'totp', '/keygate:ABCD1234']);
    expect(Object.fromEntries(parsed.searchParams)).toMatchObject({ secret, issuer: 'keygate' });
    expect(records).toEqual([{ kind: 'stepup.enrolled', keyId: 'ABCD1234', via: 'cli' }]);
    // I5: the store has it sealed, for this key alone.
    expect(JSON.stringify([...kept.values(), records])).not.toContain(secret);
  });

  it('is nothing that protects until its first code', async () => {
    const { stepUp, clock, code } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    expect(await stepUp.freshUntil('ABCD1234', clock.now())).toBe(0);
    expect(await stepUp.verify('ABCD1234', code(secret))).toEqual({ ok: true, freshUntil: start + 5 * minute });
  });

  it('a key cannot give itself its first factor, nor another one, unless a step-up is fresh', async () => {
    const { stepUp, clock, code, kinds } = stepUpOn();
    const self = { via: 'api', keyId: 'ABCD1234' } as const;
    await expect(stepUp.enrol('ABCD1234', self)).rejects.toMatchObject({ reason: 'STEP_UP_REQUIRED' });
    const first = await stepUp.enrol('ABCD1234', { via: 'api', keyId: 'OPERATOR' });
    await expect(stepUp.enrol('ABCD1234', self)).rejects.toMatchObject({ reason: 'STEP_UP_REQUIRED' });
    await stepUp.verify('ABCD1234', code(first.secret));
    const second = await stepUp.enrol('ABCD1234', self);
    expect(second.secret).not.toBe(first.secret);
    // The step-up that was fresh belonged to the factor before.
    expect(await stepUp.freshUntil('ABCD1234', clock.now())).toBe(0);
    await expect(stepUp.enrol('ABCD1234', self)).rejects.toMatchObject({ reason: 'STEP_UP_REQUIRED' });
    clock.step(minute);
    expect(await stepUp.verify('ABCD1234', code(first.secret))).toMatchObject({ ok: false, reason: 'wrong' });
    expect(await stepUp.verify('ABCD1234', code(second.secret))).toMatchObject({ ok: true });
    expect(kinds()).toEqual(['stepup.enrolled', 'stepup.passed', 'stepup.enrolled', 'stepup.failed', 'stepup.passed']);
  });

  it('of two at once one wins', async () => {
    const { stepUp, kept, beforePut } = stepUpOn();
    await stepUp.enrol('ABCD1234', operator);
    beforePut(() => {
      const now = kept.get('ABCD1234');
      if (now) kept.set('ABCD1234', { ...now, revision: now.revision + 1 });
    });
    await expect(stepUp.enrol('ABCD1234', operator)).rejects.toMatchObject({ name: 'Conflict' });
  });
});

describe('a code', () => {
  it('makes this key fresh, for the time configured, and no other', async () => {
    const { stepUp, clock, code } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    await stepUp.enrol('OTHER000', operator);
    await stepUp.verify('ABCD1234', code(secret));
    expect(await stepUp.freshUntil('ABCD1234', clock.now())).toBe(start + 5 * minute);
    expect(await stepUp.freshUntil('OTHER000', clock.now())).toBe(0);
    expect(await stepUp.freshUntil('ABCD1234', start + 5 * minute - 1)).toBe(start + 5 * minute);
    expect(await stepUp.freshUntil('ABCD1234', start + 5 * minute)).toBe(0);
    expect(await stepUp.verify('OTHER000', code(secret))).toMatchObject({ ok: false, reason: 'wrong' });
  });

  it.each([
    [-60, false],
    [-30, true],
    [0, true],
    [30, true],
    [60, false],
  ])('of %i s from now is taken: %s', async (seconds, ok) => {
    const { stepUp, code } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    expect((await stepUp.verify('ABCD1234', code(secret, start + seconds * 1000))).ok).toBe(ok);
  });

  it('is good once, and so are those before it', async () => {
    const { stepUp, clock, code, kinds } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    const now = code(secret);
    expect((await stepUp.verify('ABCD1234', now)).ok).toBe(true);
    expect(await stepUp.verify('ABCD1234', now)).toEqual({ ok: false, reason: 'wrong' });
    expect(await stepUp.verify('ABCD1234', code(secret, start - 30_000))).toEqual({ ok: false, reason: 'wrong' });
    clock.step(30_000);
    expect((await stepUp.verify('ABCD1234', code(secret))).ok).toBe(true);
    expect(kinds()).toEqual(['stepup.enrolled', 'stepup.passed', 'stepup.failed', 'stepup.failed', 'stepup.passed']);
  });

  it('sent twice at once passes once', async () => {
    const { stepUp, code, kinds } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    const answers = await Promise.all([1, 2, 3].map(() => stepUp.verify('ABCD1234', code(secret))));
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(kinds().filter((kind) => kind === 'stepup.passed')).toHaveLength(1);
  });

  it.each(['', '12345', '1234567', ' 123456', '12345a', '１２３４５６', '000000\n'])('of another form is wrong: %j', async (text) => {
    const { stepUp } = stepUpOn();
    await stepUp.enrol('ABCD1234', operator);
    expect(await stepUp.verify('ABCD1234', text)).toEqual({ ok: false, reason: 'wrong' });
  });

  it('is refused while the clock stands behind the last one taken', async () => {
    const { stepUp, clock, code } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    await stepUp.verify('ABCD1234', code(secret));
    clock.step(-hour);
    expect(await stepUp.verify('ABCD1234', code(secret))).toEqual({ ok: false, reason: 'wrong' });
  });

  it('for a key without a factor says so', async () => {
    const { stepUp, records } = stepUpOn();
    expect(await stepUp.verify('ABCD1234', '123456')).toEqual({ ok: false, reason: 'not-enrolled' });
    expect(records).toEqual([]);
  });

  it('is not looked at where the secret cannot be opened', async () => {
    const { stepUp, kept } = stepUpOn();
    await stepUp.enrol('ABCD1234', operator);
    await stepUp.enrol('OTHER000', operator);
    const [one, other] = [kept.get('ABCD1234'), kept.get('OTHER000')];
    if (!one || !other) throw new Error('not enrolled');
    // A sealed secret belongs to its key: another key's, put in its place, does not open.
    kept.set('ABCD1234', { ...one, sealedSecret: other.sealedSecret });
    await expect(stepUp.verify('ABCD1234', '123456')).rejects.toThrow('cannot be opened');
  });
});

describe('guessing', () => {
  it('five wrong codes lock for 5 min, each one after that for twice as long, up to an hour; a right code ends it', async () => {
    const { stepUp, clock, code } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    const guess = () => {
      const near = [-30, 0, 30].map((seconds) => code(secret, clock.now() + seconds * 1000));
      return stepUp.verify('ABCD1234', wrongCode(near));
    };
    for (let at = 0; at < 4; at += 1) expect(await guess()).toEqual({ ok: false, reason: 'wrong' });
    for (const minutes of [5, 10, 20, 40, 60, 60, 60]) {
      expect(await guess()).toEqual({ ok: false, reason: 'wrong', retryAfterMs: minutes * minute });
      clock.step(1_000);
      // Not even the right one is looked at.
      expect(await stepUp.verify('ABCD1234', code(secret))).toEqual({
        ok: false,
        reason: 'locked',
        retryAfterMs: minutes * minute - 1_000,
      });
      clock.step(minutes * minute - 1_000);
    }
    expect(await stepUp.verify('ABCD1234', code(secret))).toMatchObject({ ok: true });
    clock.step(minute);
    expect(await guess()).toEqual({ ok: false, reason: 'wrong' });
  });

  it('a lock is on record and takes nothing from a step-up passed before', async () => {
    const { stepUp, clock, code, records } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    await stepUp.verify('ABCD1234', code(secret));
    for (let at = 0; at < 5; at += 1) await stepUp.verify('ABCD1234', 'wrong');
    expect(records.at(-1)).toEqual({ kind: 'stepup.failed', keyId: 'ABCD1234', lockedUntil: new Date(start + 5 * minute).toISOString() });
    expect(await stepUp.freshUntil('ABCD1234', clock.now())).toBe(start + 5 * minute);
  });

  it('an attempt that cannot be put on record is not answered', async () => {
    const { stepUp, kept, code, beforePut } = stepUpOn();
    const { secret } = await stepUp.enrol('ABCD1234', operator);
    beforePut(() => {
      const now = kept.get('ABCD1234');
      if (now) kept.set('ABCD1234', { ...now, revision: now.revision + 1 });
    });
    await expect(stepUp.verify('ABCD1234', code(secret))).rejects.toMatchObject({ name: 'Conflict' });
  });

  it('is throttled before anything is read', async () => {
    const taken: unknown[] = [];
    const throttle: Throttle = {
      async take(options) {
        taken.push(options);
        return { allowed: false, retryAfterMs: 7_000, remaining: 0, resetMs: 7_000 };
      },
    };
    const { stepUp, records } = stepUpOn({ throttle });
    expect(await stepUp.verify('ABCD1234', '123456')).toEqual({ ok: false, reason: 'locked', retryAfterMs: 7_000 });
    expect(taken).toEqual([{ key: 'step-up:ABCD1234', calls: 20, perSeconds: 60 }]);
    expect(records).toEqual([]);
  });
});
