import fc from 'fast-check';
import { expect, test } from 'vitest';
import { deadReason, type KeyRecord, rootOf } from '../../src/domain/key.ts';
import { accountLimitsOf, countsAgainst, type Limit, limitsOf } from '../../src/domain/limits.ts';
import { formatMicros } from '../../src/domain/money.ts';
import { hasRoom, thresholdReached } from '../../src/domain/taking.ts';
import { verifyLines } from '../../src/domain/verify-journal.ts';
import type { AdmitResult } from '../../src/ports/ledger.ts';
import { budget, cap } from './calls.ts';
import {
  admitRequest,
  chargesOf,
  linesOf,
  micros,
  minute,
  type OpenSubject,
  outcomeFacts,
  plainCalendar,
  recordsOf,
  type Subject,
  start,
  testKey,
  testThresholds,
} from './subject.ts';

const top = testKey('TOP00000', {
  accountId: 'acme',
  maxUses: 20,
  budgets: [budget(60, 'minute'), budget(200), budget(40, 'minute', { tool: 'put_*', soft: true })],
});
const leaf = testKey('LEAF0000', {
  accountId: 'acme',
  parentIds: ['TOP00000'],
  expiresAt: start + 4 * minute,
  budgets: [budget(120), budget(70, 'total', { tool: 'get_a' })],
  caps: [cap(3, 'minute', { tool: 'get_*' }), cap(2, 'minute', { soft: true })],
});
const account = { id: 'acme', budgets: [budget(45, 'minute'), budget(30, 'minute', { soft: true })], caps: [cap(6, 'minute')] };
const balanceAtStart = 80;

type Step =
  | ({ readonly act: 'admit'; readonly holdMs: number } & Asked)
  | { readonly act: 'settle' | 'renew' | 'resend'; readonly which: number; readonly part: number }
  | { readonly act: 'step'; readonly ms: number }
  | { readonly act: 'sweep' }
  | { readonly act: 'revoke' };

interface Asked {
  readonly below: boolean;
  readonly price: number;
  readonly tool: string;
  readonly onExpiry: 'full' | 'none';
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 16,
      arbitrary: fc.record({
        act: fc.constant('admit' as const),
        below: fc.boolean(),
        price: fc.nat(25),
        tool: fc.constantFrom('get_a', 'put_a'),
        onExpiry: fc.constantFrom('full' as const, 'none' as const),
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
  readonly price: number;
  readonly limits: readonly Limit[];
  readonly onExpiry: 'full' | 'none';
  until: number;
  state: 'held' | 'captured' | 'settled';
  charge: number;
}

/** Windows of one counter that a ledger keeps although nothing is held in them. */
const windowsKept = 3;

/** The ledger's rules without its storage: sums over all calls, computed anew each time. */
class Model {
  readonly taken: Taken[] = [];
  readonly answers = new Map<string, Asked & { answer: AdmitResult['kind'] }>();
  readonly #windows = new Map<string, number[]>();
  leafRevoked = false;

  standing(limit: Pick<Limit, 'holder' | 'counter' | 'start' | 'unit'>): { spent: number; held: number } {
    let spent = 0;
    let held = 0;
    for (const call of this.taken) {
      if (!call.limits.some((each) => each.holder === limit.holder && each.counter === limit.counter && each.start === limit.start))
        continue;
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
    const held = this.taken.reduce((sum, { state, price }) => sum + (state === 'held' ? price : 0), 0);
    return { balance: balanceAtStart - charged, held };
  }

  admit(call: Asked & { id: string; now: number; until: number }): AdmitResult['kind'] {
    const keys = call.below ? [leaf, top] : [top];
    if (call.below && (this.leafRevoked || deadReason(leaf, call.now))) return 'dead';
    const limits = limitsAt(keys, call.now).filter((limit) => countsAgainst(limit, call));
    const refusing = limits.find((limit) => !limit.soft && !this.#hasRoom(limit, call.price));
    if (refusing) {
      this.#touch(refusing);
      return 'limited';
    }
    const { balance, held } = this.account();
    if (call.price > 0 && balance - held < call.price) return 'limited';
    const { id, price, onExpiry, until } = call;
    this.taken.push({ id, price, limits, onExpiry, until, state: 'held', charge: 0 });
    for (const limit of limits) this.#touch(limit);
    return 'admitted';
  }

  expire(call: Taken): void {
    this.#end(call, 'captured', call.onExpiry === 'none' ? 0 : call.price);
  }

  settle(call: Taken, wanted: number): void {
    if (call.state === 'settled') return;
    this.#end(call, 'settled', call.state === 'captured' && wanted > call.charge ? this.#fitting(call, wanted) : wanted);
  }

  /** What a late charge comes to where the expiry had charged nothing. */
  #fitting(call: Taken, wanted: number): number {
    const money = call.limits.filter(({ unit }) => unit === 'micros');
    // A window that nobody knows any more has no room, whether its limit is soft or hard.
    if (!money.every((limit) => this.#knows(limit))) return 0;
    const { balance, held } = this.account();
    const rooms = money.filter(({ soft }) => !soft).map((limit) => this.#room(limit));
    return Math.max(0, Math.min(wanted, balance - held, ...rooms));
  }

  #end(call: Taken, state: Taken['state'], charge: number): void {
    Object.assign(call, { state, charge });
    for (const limit of call.limits) if (limit.unit === 'micros' && this.#knows(limit)) this.#touch(limit);
  }

  #hasRoom(limit: Limit, price: number): boolean {
    return hasRoom(limit, this.standing(limit), limit.unit === 'micros' ? price : 1);
  }

  #room(limit: Limit): number {
    const { spent, held } = this.standing(limit);
    return limit.limit - spent - held;
  }

  #knows({ holder, counter, start: from }: Limit): boolean {
    return this.#windows.get(`${holder} ${counter}`)?.includes(from) ?? false;
  }

  /** Old windows are dropped when their counter is written, once nothing is held in them. */
  #touch({ holder, counter, start: from, unit }: Limit): void {
    const name = `${holder} ${counter}`;
    const starts = [...new Set([...(this.#windows.get(name) ?? []), from])].sort((one, other) => other - one);
    const kept = starts.filter((each, rank) => rank < windowsKept || this.standing({ holder, counter, start: each, unit }).held > 0);
    this.#windows.set(name, kept);
  }
}

/** Every limit of the keys and their account, in the order of a usage report. */
function limitsAt(keys: readonly KeyRecord[], now: number): Limit[] {
  return [...keys.flatMap((key) => limitsOf(key, plainCalendar, now)), ...accountLimitsOf(account, plainCalendar, now)];
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
      for (const call of due) model.expire(call);
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
    this.#model.settle(call, charge);
  }

  async check(): Promise<void> {
    const { ledger, clock } = this.#subject;
    const now = clock.now();
    const limits = limitsAt([leaf, top], now);
    const { balance, held } = this.#model.account();
    const lines = await ledger.usage({ key: leaf, ancestors: [top], now });
    expect(lines.map((line) => ({ spent: line.spent, held: line.held }))).toEqual([
      ...limits.map((limit) => this.#model.standing(limit)),
      { spent: 0, held },
    ]);
    for (const line of lines) if (!line.soft) expect(line.spent + line.held).toBeLessThanOrEqual(line.limit);
    expect(await ledger.account('acme')).toMatchObject({ balance, held });
    expect(balance).toBeGreaterThanOrEqual(held);
  }

  async checkJournal(): Promise<void> {
    const { journal, clock, ledger } = this.#subject;
    const records = await recordsOf(journal);
    const charges = [...chargesOf(records).values()].reduce((sum, charge) => sum + charge, 0);
    expect(charges).toBe(this.#model.taken.reduce((sum, { charge }) => sum + charge, 0));
    expect(records.filter(({ kind }) => kind === 'call.intent')).toHaveLength(this.#model.taken.length);
    expect(verifyLines(await linesOf(journal), { checkpoints: [], publicKeys: new Map() }).faults).toEqual([]);
    const told = new Map<string, number>();
    for (const { kind, limitName, limit, resetAt, threshold } of records) {
      if (kind !== 'limit.threshold') continue;
      const name = `${limitName} ${limit} ${resetAt}`;
      expect(threshold).toBeGreaterThan(told.get(name) ?? 0);
      told.set(name, Number(threshold));
    }
    for (const { limitName, limit, unit, resetAt, spent } of await ledger.usage({ key: leaf, ancestors: [top], now: clock.now() })) {
      if (limitName.endsWith('balance')) continue;
      const reset = resetAt === undefined ? undefined : new Date(resetAt).toISOString();
      const amount = unit === 'micros' ? formatMicros(limit) : limit;
      const name = `${limitName} ${amount} ${reset}`;
      expect(told.get(name) ?? 0).toBeGreaterThanOrEqual(thresholdReached({ spent, limit, thresholds: testThresholds }));
    }
  }

  #request(id: string, { below, price, tool, onExpiry }: Asked, holdUntil: number) {
    const now = this.#subject.clock.now();
    const changes = { reservationId: id, price: micros(price), tool, now, holdUntil, onExpiry };
    return below ? admitRequest(leaf, { ...changes, ancestors: [top] }) : admitRequest(top, changes);
  }
}

/** What the rules say of any sequence of calls, settles, renewals, sweeps, revocations and clock steps, against a model of sums. */
export function modelContract(name: string, open: OpenSubject, { runs }: { runs: number }): void {
  test(`ledger contract, model: ${name}: any sequence of acts does what the rules say`, async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const subject = await open();
        try {
          const by = { kind: 'account.created' } as const;
          await subject.ledger.createAccount({ ...account, now: start, by });
          await subject.ledger.credit({ accountId: 'acme', amount: micros(balanceAtStart), reference: 'r', now: start, by });
          await subject.keyring.insert({ ...top, expiresAt: start + 1e9 }, { via: 'cli' });
          await subject.keyring.insert(leaf, { via: 'cli' });
          const run = new Run(subject);
          for (const step of sequence) {
            await run.take(step);
            await run.check();
          }
          await run.checkJournal();
          for (const record of await recordsOf(subject.journal)) seen.add(wordOf(record));
        } finally {
          await subject.close();
        }
      }),
      { numRuns: runs, seed: 20_260_715 },
    );
    // The sequences reach every kind of answer: a property that is never tried proves nothing.
    const reasons = ['BUDGET_EXHAUSTED', 'CAP_EXCEEDED', 'BALANCE_EXHAUSTED', 'TOKEN_EXPIRED', 'TOKEN_REVOKED'];
    expect([...seen]).toEqual(expect.arrayContaining(reasons.map((reason) => `call.refused ${reason}`)));
    expect([...seen]).toEqual(expect.arrayContaining(['call.intent over', 'limit.threshold', 'call.outcome', 'call.outcome corrected']));
  }, 120_000);
}

function wordOf({ kind, reason, corrected, over }: Awaited<ReturnType<typeof recordsOf>>[number]): string {
  return [kind, reason, corrected && 'corrected', over && 'over'].filter(Boolean).join(' ');
}
