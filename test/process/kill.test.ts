import { afterEach, expect, it } from 'vitest';
import { formatMicros, parseMicros } from '../../src/domain/money.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import { upstreamConfig } from '../support/gateway.ts';
import { post, toolCall } from '../support/post.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../support/recording-upstream.ts';
import { type Place, preparePlace, type Served } from './served.ts';

const price = 10_000; // micro-units: the 0.01 of upstreamConfig
const kills = 20;
const parallel = 16;
/** One key for half of the callers runs out after so many calls. */
const smallBudgetCalls = 150;
const credited = '1000';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

it('F60 killed 20 times in the middle of load: every call the upstream saw is on record and charged, and nothing is held', {
  timeout: 300_000,
}, async () => {
  const seed = Number(process.env.KEYGATE_SEED ?? Date.now() % 1_000_000);
  console.log(`kill.test: seed ${seed}; KEYGATE_SEED=${seed} draws the same delays again`);
  const random = seeded(seed);
  const upstream = await startRecordingUpstream({ sessions: false });
  closers.push(() => upstream.close());
  const place = await preparePlace({ upstreams: { up: upstreamConfig(upstream.url) } });
  closers.push(() => place.remove());
  await place.open(async ({ ledger }) => {
    await ledger.createAccount({ id: 'payer', now: Date.now(), by: { kind: 'account.created' } });
    const amount = parseMicros(credited);
    if (amount === undefined) throw new Error('not an amount');
    await ledger.credit({ accountId: 'payer', amount, reference: 'first', now: Date.now(), by: { kind: 'account.credited' } });
  });
  const budgeted = await place.mint({ scopes: ['read:up'], budgets: [{ amount: formatMicros(smallBudgetCalls * price), per: 'total' }] });
  const paid = await place.mint({ scopes: ['read:up'], accountId: 'payer', caps: [{ calls: 1_000_000, per: 'total' }] });

  let next = 0;
  const callNames = new Map<string, string>();
  for (let round = 0; round < kills; round += 1) {
    const gate = await place.serve();
    const load = drive(gate, (caller) => {
      const key = caller % 2 === 0 ? budgeted : paid;
      next += 1;
      callNames.set(`tool_${next}`, key.id);
      return { key: key.key, tool: `tool_${next}` };
    });
    await load.began;
    await new Promise((resolve) => setTimeout(resolve, 20 + random() * 180));
    gate.kill('SIGKILL');
    await gate.exited;
    await load.ended;
  }
  const last = await place.serve(); // its start captures what the killed one left
  const standing = await standingOf(place, { budgeted: budgeted.id, paid: paid.id });
  last.kill();
  expect((await last.exited).code).toBe(0);

  const records = await place.journal();
  const seen = toolsSeen(upstream);
  const intents = records.filter(({ kind }) => kind === 'call.intent');
  const charges = finalCharges(records);
  console.log(`kill.test: ${next} calls begun, ${intents.length} admitted, ${seen.length} seen by the upstream`);
  expect(seen.length).toBeGreaterThan(kills);
  expect(new Set(seen).size, 'a call reached the upstream twice').toBe(seen.length);

  const onRecord = new Set(intents.map(({ tool }) => tool));
  expect(seen.filter((tool) => !onRecord.has(tool))).toEqual([]); // I1
  expect(charges.size).toBe(intents.length);
  expect(records.filter(({ status }) => status === 'hold-expired').length, 'no kill hit a running call').toBeGreaterThan(0);
  const charged = (keyId: string) =>
    [...charges.values()].filter((charge) => charge.keyId === keyId).reduce((sum, { micros }) => sum + micros, 0);
  for (const { id } of [budgeted, paid]) {
    expect(charged(id)).toBeGreaterThanOrEqual(price * seen.filter((tool) => callNames.get(tool) === id).length);
  }
  expect(standing).toEqual({
    budget: { spent: charged(budgeted.id), held: 0 }, // I8
    cap: { spent: intents.filter(({ keyId }) => keyId === paid.id).length, held: 0 },
    account: { balance: Number(credited) * 1_000_000 - charged(paid.id), held: 0 },
  });
  expect(standing.budget?.spent).toBeLessThanOrEqual(smallBudgetCalls * price); // I2
  expect(records.some(({ reason }) => reason === 'BUDGET_EXHAUSTED')).toBe(true);

  const verified = await place.cli('journal', 'verify', '--json');
  expect(verified, verified.stdout + verified.stderr).toMatchObject({ code: 0 });
});

/** Calls in parallel, each caller one after the other, until the gateway is gone. `began` resolves at the first answer. */
function drive(
  gate: Served,
  nextCall: (caller: number) => { key: string; tool: string },
): { began: Promise<void>; ended: Promise<unknown> } {
  const began = Promise.withResolvers<void>();
  const caller = async (number: number): Promise<void> => {
    for (;;) {
      const { key, tool } = nextCall(number);
      try {
        await post(`${gate.mcpUrl}/mcp/up`, { key, body: toolCall(tool, { number }, tool) });
        began.resolve();
      } catch {
        return;
      }
    }
  };
  return { began: began.promise, ended: Promise.all(Array.from({ length: parallel }, (_, number) => caller(number))) };
}

function toolsSeen(upstream: RecordingUpstream): string[] {
  return upstream.calls('tools/call').map(({ message }) => (message as { params: { name: string } }).params.name);
}

/** The last outcome of a reservation states its final charge; a corrected one replaces the one before it. */
function finalCharges(records: readonly JournalRecord[]): Map<string, { keyId: string; micros: number }> {
  const charges = new Map<string, { keyId: string; micros: number }>();
  for (const { kind, reservationId, charged, keyId, corrected } of records) {
    if (kind !== 'call.outcome' || reservationId === undefined) continue;
    const id = String(reservationId);
    if (charges.has(id) && corrected !== true) throw new Error(`reservation ${id} has two outcomes`);
    charges.set(id, { keyId: String(keyId), micros: parseMicros(String(charged)) ?? Number.NaN });
  }
  return charges;
}

async function standingOf(place: Place, ids: { budgeted: string; paid: string }) {
  return place.open(async ({ keyring, ledger }) => {
    const lines = async (id: string) => {
      const key = await keyring.get(id);
      return key ? await ledger.usage({ key, ancestors: [], now: Date.now() }) : [];
    };
    const standing = (line: { spent: number; held: number } | undefined) => line && { spent: line.spent, held: line.held };
    const account = await ledger.account('payer');
    return {
      budget: standing((await lines(ids.budgeted)).find(({ unit }) => unit === 'micros')),
      cap: standing((await lines(ids.paid)).find(({ unit }) => unit === 'calls')),
      account: account && { balance: account.balance, held: account.held },
    };
  });
}

/** mulberry32: small, and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
