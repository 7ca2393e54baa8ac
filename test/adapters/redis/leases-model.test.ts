import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { KeyRecord } from '../../../src/domain/key.ts';
import type { JournalRecord } from '../../../src/domain/record.ts';
import { budget, cap } from '../../ports/calls.ts';
import { chargesOf, day, hour, minute, recordsOf, type SteppedClock, start } from '../../ports/subject.ts';
import { startRedis, type TestRedis } from '../../support/redis-server.ts';
import { type LeasedSubject, openLeased } from './leased.ts';

let server: TestRedis;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

type Step =
  | {
      readonly act: 'admit';
      readonly at: number;
      readonly below: boolean;
      readonly price: number;
      readonly leased: boolean;
      readonly none: boolean;
    }
  | Ending
  | { readonly act: 'step'; readonly ms: number; readonly passing: boolean }
  | { readonly act: 'sweep' | 'give back' | 'die' | 'burst'; readonly at: number };

interface Ending {
  readonly act: 'settle' | 'renew';
  readonly which: number;
  readonly part: number;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 24,
      arbitrary: fc.record({
        act: fc.constant('admit' as const),
        at: fc.nat(1),
        below: fc.boolean(),
        price: fc.constantFrom(0, 1, 5),
        leased: fc.integer({ min: 0, max: 9 }).map((one) => one > 0),
        none: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
      }),
    },
    {
      weight: 14,
      arbitrary: fc.record({
        act: fc.constantFrom('settle' as const, 'settle' as const, 'renew' as const),
        which: fc.nat(99),
        part: fc.nat(100),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({ act: fc.constant('step' as const), ms: fc.integer({ min: -minute, max: 2 * minute }), passing: fc.boolean() }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        act: fc.constantFrom('sweep' as const, 'give back' as const, 'die' as const, 'burst' as const),
        at: fc.nat(1),
      }),
    },
  ),
  { minLength: 40, maxLength: 90 },
);

const balance = 70;
/** The wall clock jumps; the other one goes on, or stands still as far as anybody notices. */
interface TwoClocks extends SteppedClock {
  pass(ms: number): void;
}

function twoClocks(): TwoClocks {
  let [now, passed] = [start, 0];
  return {
    now: () => now,
    monotonic: () => passed,
    step: (ms) => {
      now += ms;
    },
    pass: (ms) => {
      passed += Math.max(0, ms);
    },
  };
}

/** Two gateways that lease from each other's limits, and what runs at each. */
class Run {
  readonly clock = twoClocks();
  readonly running: { id: string; at: number; key: KeyRecord; price: number }[] = [];
  gateways: LeasedSubject[] = [];
  #lives = 0;
  #count = 0;

  async open(): Promise<[top: KeyRecord, leaf: KeyRecord]> {
    await server.cli('FLUSHALL');
    for (const at of [0, 1]) this.gateways[at] = await this.#life();
    const { calls } = this.at(0);
    await calls.funded('acme', balance, { budgets: [budget(130, 'hour')] });
    const top = await calls.minted('TOP00000', { accountId: 'acme', budgets: [budget(60, 'minute'), budget(150)], maxUses: 150 });
    const leaf = await calls.minted('LEAF0000', {
      accountId: 'acme',
      parentIds: ['TOP00000'],
      caps: [cap(24, 'minute'), cap(16, 'minute', { soft: true })],
    });
    return [top, leaf];
  }

  at(at: number): LeasedSubject {
    return this.gateways[at] ?? expect.unreachable();
  }

  #life(): Promise<LeasedSubject> {
    this.#lives += 1;
    return openLeased(server, { name: `life ${this.#lives}`, clock: this.clock });
  }

  async admit({ at, below, price, leased, none }: Extract<Step, { act: 'admit' }>, [top, leaf]: [KeyRecord, KeyRecord]): Promise<string> {
    this.#count += 1;
    const id = `r${this.#count}`;
    const key = below ? leaf : top;
    const answer = await this.at(at).calls.admit(key, price, {
      reservationId: id,
      ancestors: below ? [top] : [],
      ...(leased && { lease: { calls: 12, ms: 30_000 } }),
      onExpiry: none ? 'none' : 'full',
    });
    if (answer.kind === 'admitted') this.running.push({ id, at, key, price });
    return answer.kind;
  }

  async take(step: Step, keys: [KeyRecord, KeyRecord]): Promise<void> {
    if (step.act === 'admit') await this.admit(step, keys);
    else if (step.act === 'step') {
      this.clock.step(step.ms);
      if (step.passing) this.clock.pass(step.ms);
    } else if (step.act === 'sweep') await this.at(step.at).ledger.sweep({ now: this.clock.now() });
    else if (step.act === 'give back') await this.at(step.at).giveBack();
    else if (step.act === 'burst') {
      const one = { act: 'admit', at: step.at, below: true, price: 1, leased: true, none: false } as const;
      await Promise.all(Array.from({ length: 9 }, () => this.admit(one, keys)));
    } else if (step.act === 'die') {
      await this.at(step.at).close();
      this.gateways[step.at] = await this.#life();
      for (const call of this.running.filter(({ at }) => at === step.at)) this.running.splice(this.running.indexOf(call), 1);
    } else if (step.act === 'settle' || step.act === 'renew') await this.#end(step);
  }

  async #end({ act, which, part }: Ending): Promise<void> {
    const [call] = act === 'settle' ? this.running.splice(which % (this.running.length || 1), 1) : this.running.slice(which % 5);
    if (!call) return;
    const { id, at, key, price } = call;
    if (act === 'settle') await this.at(at).calls.settle(key, id, Math.floor((price * part) / 100));
    else await this.at(at).ledger.renew({ root: 'account:acme' as never, reservationId: id, holdUntil: this.clock.now() + part * 1000 });
  }

  async checkLimits([top, leaf]: [KeyRecord, KeyRecord]): Promise<void> {
    const lines = await this.at(0).ledger.usage({ key: leaf, ancestors: [top], now: this.clock.now() });
    for (const { limitName, limit, spent, held, soft } of lines) {
      if (!soft) expect([limitName, spent + held <= limit]).toEqual([limitName, true]);
    }
  }

  /** Everything ends; then each counter is what the journal says of its window, as far as windows are kept. */
  async checkSums([top, leaf]: [KeyRecord, KeyRecord]): Promise<string[]> {
    for (const gateway of this.gateways) await gateway.giveBack();
    for (const call of this.running) await this.at(call.at).calls.settle(call.key, call.id, call.price);
    const now = Math.max(start, this.clock.now());
    await this.at(1).ledger.sweep({ now: now + day });
    const records = await recordsOf(this.at(0).journal);
    const intents = records.filter(({ kind }) => kind === 'call.intent');
    const charges = chargesOf(records);
    const sum = (some: readonly JournalRecord[]) =>
      some.reduce((all, { reservationId = '' }) => all + (charges.get(reservationId) ?? 0), 0);
    const within = (length: number) =>
      intents.filter(({ time }) => Math.floor(Date.parse(time) / length) === Math.floor(this.clock.now() / length));
    const below = within(minute).filter(({ keyId }) => keyId === leaf.id).length;
    const account = await this.at(0).ledger.account('acme');
    expect(account).toMatchObject({ balance: balance - sum(intents), held: 0 });
    const lines = await this.at(0).ledger.usage({ key: leaf, ancestors: [top], now: this.clock.now() });
    expect(lines.map(({ limitName, spent, held, limit }) => [limitName, spent, held, limit])).toEqual([
      ['key:LEAF0000 cap minute', below, 0, 24],
      ['key:LEAF0000 cap minute', below, 0, 16],
      ['key:TOP00000 uses', intents.length, 0, 150],
      ['key:TOP00000 budget minute', sum(within(minute)), 0, 60],
      ['key:TOP00000 budget total', sum(intents), 0, 150],
      ['account:acme budget hour', sum(within(hour)), 0, 130],
      ['account:acme balance', 0, 0, balance - sum(intents)],
    ]);
    expect(await server.cli('KEYS', 'kg:*}:leases')).toBe('');
    return records.map(({ kind, reason, status, over }) => [kind, reason, status, over && 'over'].filter(Boolean).join(' '));
  }
}

test('whatever gateways, clocks and deaths do, no limit is passed, and in the end ledger and journal agree (I2, I8)', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const run = new Run();
      const keys = await run.open();
      try {
        for (const step of sequence) {
          await run.take(step, keys);
          await run.checkLimits(keys);
        }
        for (const word of await run.checkSums(keys)) seen.add(word);
      } finally {
        await Promise.all(run.gateways.map((gateway) => gateway.close()));
      }
    }),
    { numRuns: 30, seed: 20_261_121 },
  );
  const words = [
    'call.intent',
    'call.refused BALANCE_EXHAUSTED',
    'call.intent over',
    'call.outcome 200',
    'call.outcome hold-expired',
    'call.refused CAP_EXCEEDED',
  ];
  expect([...seen]).toEqual(expect.arrayContaining([...words, 'call.refused BUDGET_EXHAUSTED']));
}, 120_000);
