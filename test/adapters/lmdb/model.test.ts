import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deadReason, type KeyRecord, rootOf } from '../../../src/domain/key.ts';
import { countsAgainst, hasRoom, type Limit, limitsOf } from '../../../src/domain/limits.ts';
import { verifyLines } from '../../../src/domain/verify-journal.ts';
import type { AdmitResult } from '../../../src/ports/ledger.ts';
import {
  admitRequest,
  chargesOf,
  micros,
  minute,
  outcomeFacts,
  plainCalendar,
  recordsOf,
  type Subject,
  start,
  testKey,
} from '../../ports/subject.ts';
import { openSubject } from './open.ts';

const top = testKey('TOP00000', {
  accountId: 'acme',
  maxUses: 20,
  budgets: [
    { amount: micros(60), per: 'minute', zone: 'UTC' },
    { amount: micros(200), per: 'total', zone: 'UTC' },
  ],
});
const leaf = testKey('LEAF0000', {
  accountId: 'acme',
  parentIds: ['TOP00000'],
  expiresAt: start + 4 * minute,
  budgets: [{ amount: micros(120), per: 'total', zone: 'UTC' }],
  caps: [{ calls: 3, per: 'minute', zone: 'UTC', tool: 'get_*' }],
});

type Step =
  | { readonly act: 'admit'; readonly below: boolean; readonly price: number; readonly tool: string; readonly holdMs: number }
  | { readonly act: 'settle' | 'renew' | 'resend'; readonly which: number; readonly part: number }
  | { readonly act: 'step'; readonly ms: number }
  | { readonly act: 'sweep' }
  | { readonly act: 'revoke' };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 16,
      arbitrary: fc.record({
        act: fc.constant('admit' as const),
        below: fc.boolean(),
        price: fc.nat(25),
        tool: fc.constantFrom('get_a', 'put_a'),
        holdMs: fc.integer({ min: 1, max: 3 * minute }),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        act: fc.constantFrom('settle' as const, 'renew' as const, 'resend' as const),
        which: fc.nat(50),
        part: fc.nat(100),
      }),
    },
    { weight: 6, arbitrary: fc.record({ act: fc.constant('step' as const), ms: fc.integer({ min: -minute / 2, max: 2 * minute }) }) },
    { weight: 5, arbitrary: fc.constant<Step>({ act: 'sweep' }) },
    { weight: 1, arbitrary: fc.constant<Step>({ act: 'revoke' }) },
  ),
  { minLength: 30, maxLength: 70 },
);

/** One admitted call as the model knows it: what it took, where, and what it costs by now. */
interface Taken {
  readonly id: string;
  readonly keys: readonly KeyRecord[];
  readonly price: number;
  readonly limits: readonly Limit[];
  until: number;
  state: 'held' | 'captured' | 'settled';
  charge: number;
}

/** The ledger's rules without its storage: sums over all calls, computed anew each time. */
class Model {
  readonly taken: Taken[] = [];
  readonly answers = new Map<string, { below: boolean; price: number; tool: string; answer: AdmitResult['kind'] }>();
  readonly balance = 90;
  leafRevoked = false;

  standing(limit: Limit): { spent: number; held: number } {
    let spent = 0;
    let held = 0;
    for (const call of this.taken) {
      if (!call.limits.some((each) => each.keyId === limit.keyId && each.counter === limit.counter && each.start === limit.start)) continue;
      if (limit.unit === 'calls') spent += 1;
      else {
        spent += call.charge;
        held += call.state === 'held' ? call.price : 0;
      }
    }
    return { spent, held };
  }

  account(): { balance: number; held: number } {
    const charged = this.taken.reduce((sum, { charge }) => sum + charge, 0);
    return { balance: this.balance - charged, held: this.taken.reduce((sum, { state, price }) => sum + (state === 'held' ? price : 0), 0) };
  }

  admit(call: { id: string; below: boolean; price: number; tool: string; now: number; until: number }): AdmitResult['kind'] {
    const keys = call.below ? [leaf, top] : [top];
    if (call.below && (this.leafRevoked || deadReason(leaf, call.now))) return 'dead';
    const limits = keys.flatMap((key) => limitsOf(key, plainCalendar, call.now)).filter((limit) => countsAgainst(limit, call));
    const { balance, held } = this.account();
    if (limits.some((limit) => !hasRoom(limit, this.standing(limit), call.price))) return 'limited';
    if (call.price > 0 && balance - held < call.price) return 'limited';
    this.taken.push({ id: call.id, keys, price: call.price, limits, until: call.until, state: 'held', charge: 0 });
    return 'admitted';
  }
}

class Run {
  readonly #subject: Subject;
  readonly #model = new Model();
  #count = 0;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  async take(step: Step): Promise<void> {
    const { ledger, keyring, clock } = this.#subject;
    const model = this.#model;
    if (step.act === 'step') clock.step(step.ms);
    else if (step.act === 'admit') {
      this.#count += 1;
      const id = `r${this.#count}`;
      const now = clock.now();
      const answer = model.admit({ ...step, id, now, until: now + step.holdMs });
      model.answers.set(id, { ...step, answer });
      expect((await ledger.admit(this.#request(id, step, now + step.holdMs))).kind).toBe(answer);
    } else if (step.act === 'revoke') {
      await keyring.revoke('LEAF0000', { reason: 'x', at: clock.now(), by: { via: 'cli' } });
      model.leafRevoked = true;
    } else if (step.act === 'sweep') {
      const due = model.taken.filter(({ state, until }) => state === 'held' && until <= clock.now());
      for (const call of due) Object.assign(call, { state: 'captured', charge: call.price });
      expect(await ledger.sweep({ now: clock.now() })).toBe(due.length);
    } else if (step.act === 'resend') {
      const [id, sent] = [...model.answers][step.which % Math.max(1, model.answers.size)] ?? [];
      if (id && sent) expect((await ledger.admit(this.#request(id, sent, clock.now()))).kind).toBe(sent.answer);
    } else {
      const call = model.taken[step.which % Math.max(1, model.taken.length)];
      if (call) await this.#end(call, { act: step.act, part: step.part });
    }
  }

  async #end(call: Taken, { act, part }: { act: 'settle' | 'renew'; part: number }): Promise<void> {
    const { ledger, clock } = this.#subject;
    const root = rootOf(top);
    if (act === 'renew') {
      const holdUntil = clock.now() + part * 1000;
      expect(await ledger.renew({ root, reservationId: call.id, holdUntil })).toBe(call.state === 'held');
      if (call.state === 'held') call.until = Math.max(call.until, holdUntil);
      return;
    }
    const charge = Math.floor((call.price * part) / 100);
    await ledger.settle({ root, reservationId: call.id, charge: micros(charge), now: clock.now(), outcome: outcomeFacts });
    if (call.state !== 'settled') Object.assign(call, { state: 'settled', charge });
  }

  check(): void {
    const { ledger, clock } = this.#subject;
    const now = clock.now();
    const limits = [leaf, top].flatMap((key) => limitsOf(key, plainCalendar, now));
    const { balance, held } = this.#model.account();
    const lines = ledger.usage({ key: leaf, ancestors: [top], now });
    expect(lines.map((line) => ({ spent: line.spent, held: line.held }))).toEqual([
      ...limits.map((limit) => this.#model.standing(limit)),
      { spent: 0, held },
    ]);
    for (const line of lines) expect(line.spent + line.held).toBeLessThanOrEqual(line.limit);
    expect(ledger.account('acme')).toMatchObject({ balance, held });
    expect(balance).toBeGreaterThanOrEqual(held);
  }

  checkJournal(): void {
    const records = recordsOf(this.#subject.journal);
    const charges = [...chargesOf(records).values()].reduce((sum, charge) => sum + charge, 0);
    expect(charges).toBe(this.#model.taken.reduce((sum, { charge }) => sum + charge, 0));
    expect(records.filter(({ kind }) => kind === 'call.intent')).toHaveLength(this.#model.taken.length);
    const lines = this.#subject.journal.read({ after: 0, limit: 10_000 }).map(({ text }) => text);
    expect(verifyLines(lines, { checkpoints: [], publicKeys: new Map() }).faults).toEqual([]);
  }

  #request(id: string, { below, price, tool }: { below: boolean; price: number; tool: string }, holdUntil: number) {
    const now = this.#subject.clock.now();
    const changes = { reservationId: id, price: micros(price), tool, now, holdUntil };
    return below ? admitRequest(leaf, { ...changes, ancestors: [top] }) : admitRequest(top, changes);
  }
}

test('any sequence of calls, settles, renewals, sweeps, revocations and clock steps does what the rules say', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const subject = await openSubject();
      try {
        const facts = { kind: 'account.created' } as const;
        await subject.ledger.createAccount({ id: 'acme', now: start, by: facts });
        await subject.ledger.credit({ accountId: 'acme', amount: micros(90), reference: 'r', now: start, by: facts });
        await subject.keyring.insert({ ...top, expiresAt: start + 1e9 }, { via: 'cli' });
        await subject.keyring.insert(leaf, { via: 'cli' });
        const run = new Run(subject);
        for (const step of sequence) {
          await run.take(step);
          run.check();
        }
        run.checkJournal();
        for (const { kind, reason, corrected } of recordsOf(subject.journal))
          seen.add(`${kind} ${reason ?? ''}${corrected ? 'corrected' : ''}`);
      } finally {
        await subject.close();
      }
    }),
    { numRuns: 60, seed: 20_260_715 },
  );
  // The sequences reach every kind of answer: a property that is never tried proves nothing.
  expect([...seen]).toEqual(
    expect.arrayContaining(
      ['BUDGET_EXHAUSTED', 'CAP_EXCEEDED', 'BALANCE_EXHAUSTED', 'TOKEN_EXPIRED', 'TOKEN_REVOKED'].map((reason) => `call.refused ${reason}`),
    ),
  );
  expect(seen).toContain('call.outcome corrected');
}, 60_000);
