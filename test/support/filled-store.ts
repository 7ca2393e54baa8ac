import { randomUUID } from 'node:crypto';
import { limitTexts } from '../../src/authority/view.ts';
import { type Budget, type Cap, type KeyRecord, rootOf } from '../../src/domain/key.ts';
import { formatMicros } from '../../src/domain/money.ts';
import type { RecordFacts } from '../../src/domain/record.ts';
import { readSighting } from '../../src/domain/tool-definition.ts';
import { judgeSighting, type ToolPin } from '../../src/domain/tool-pin.ts';
import { pinFacts } from '../../src/domain/tool-pin-record.ts';
import type { AdmitRequest } from '../../src/ports/ledger.ts';
import type { Store } from '../../src/ports/store.ts';
import { budget, cap } from '../ports/calls.ts';
import { hour, micros, minute, type SteppedClock, testKey } from '../ports/subject.ts';

const by = { via: 'cli' } as const;

/** Numbers from 0 up to, not including, 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a call says about itself in the journal, as the stages would have it. */
export function factsOfCall(key: KeyRecord, tool: string | undefined): Omit<RecordFacts, 'kind'> {
  const { id, parentIds, accountId, environment } = key;
  const line = parentIds.length > 0 ? parentIds : undefined;
  const method = tool === undefined ? 'tools/list' : 'tools/call';
  return { requestId: randomUUID(), keyId: id, parentIds: line, account: accountId, environment, upstream: 'wiki', method, tool };
}

export interface Running {
  readonly key: KeyRecord;
  readonly id: string;
  readonly price: number;
  readonly facts: Omit<RecordFacts, 'kind'>;
}

/** A store in use: keys with children, accounts with limits, and calls of every ending. */
export interface Use {
  readonly keys: ReadonlyMap<string, KeyRecord>;
  /** Makes so many random calls. */
  call(count: number): Promise<void>;
  /** Admits one call and leaves it running. */
  begin(keyId: string, price: number, tool?: string): Promise<Running | undefined>;
  settle(running: Running, charge: number, released?: boolean): Promise<void>;
  /** Gives a key other limits, as the authority does. */
  limit(keyId: string, limits: { budgets?: readonly Budget[]; caps?: readonly Cap[] }): Promise<void>;
}

/** Fills an empty store with everything that a store keeps. */
export async function fill(store: Store, clock: SteppedClock): Promise<Use> {
  const { ledger, keyring, factors, replays, duties } = store;
  const now = () => clock.now();
  const account = (kind: RecordFacts['kind'], id: string): RecordFacts => ({ kind, account: id, via: 'cli' });
  await store.fingerprint('pepper', 'the pepper of this store');
  const limits = { budgets: [budget(4_000_000, 'day')], caps: [cap(5_000, 'hour', { tool: 'get_*' })] };
  const texts = limitTexts(limits);
  await ledger.createAccount({ id: 'acme', ...limits, now: now(), by: { ...account('account.created', 'acme'), ...texts } });
  await ledger.createAccount({ id: 'poor:1', now: now(), by: account('account.created', 'poor:1') });
  const credit = (id: string, amount: number, reference: string) =>
    ledger.credit({ accountId: id, amount: micros(amount), reference, now: now(), by: account('account.credited', id) });
  await credit('acme', 9_000_000, 'payment 1');
  await credit('acme', 1, 'payment 2');
  await credit('poor:1', 90, 'payment 1');
  const reason = { ...account('account.adjusted', 'acme'), reason: 'a mistake' };
  await ledger.adjust({ accountId: 'acme', amount: -5, reference: 'correction "1"\u2028', now: now(), by: reason });
  const limited = { ...account('account.limited', 'acme'), ...limitTexts({ budgets: limits.budgets, caps: [] }) };
  await ledger.limitAccount({ id: 'acme', budgets: limits.budgets, now: now(), by: limited });
  const keys = new Map<string, KeyRecord>();
  const mint = async (id: string, changes: Partial<KeyRecord>): Promise<void> => {
    const key = testKey(id, { createdAt: now(), ...changes });
    await keyring.insert(key, by);
    keys.set(id, key);
  };
  const ofAcme = { accountId: 'acme', caps: [cap(300, 'hour'), cap(200, 'hour', { tool: 'get_page' })] };
  await mint('PARENT00', { ...ofAcme, budgets: [budget(2_000_000, 'day'), budget(3_000_000)], maxUses: 2_000 });
  await mint('CHILD000', { accountId: 'acme', parentIds: ['PARENT00'], budgets: [budget(900_000, 'hour', { tool: 'write_*' })] });
  await mint('GRAND000', { accountId: 'acme', parentIds: ['CHILD000', 'PARENT00'], budgets: [budget(100, 'minute', { soft: true })] });
  await mint('TESTKEY0', { ...ofAcme, environment: 'test', budgets: [budget(1_000_000, 'day')] });
  await mint('ALONE000', { budgets: [budget(60_000, 'day')], name: 'lone \u2028 "name"', metadata: { a: '\ud83d\ude00' } });
  await mint('POORKEY0', { accountId: 'poor:1' });
  await mint('DELETED0', { budgets: [budget(1_000)] });
  await mint('REVOKED0', { expiresAt: now() + 1_000 * hour });
  await keyring.remove('DELETED0', { reason: 'not wanted', at: now(), by });
  await keyring.revoke('REVOKED0', { reason: 'lost', at: now(), by });
  const factor = {
    keyId: 'PARENT00',
    sealedSecret: 'sealed',
    confirmed: true,
    lastStep: 7,
    freshUntil: now(),
    failures: 0,
    lockedUntil: 0,
  };
  await factors.put({ factor: { ...factor, revision: 1 }, expected: 0, record: { kind: 'stepup.enrolled' } });
  await fillPins(store);
  await ledger.useOnce({ id: 'answered', until: now() + hour });
  await replays.begin({ id: 'running', bodyHash: 'a', now: now() });
  await replays.begin({ id: 'answered', bodyHash: 'b', now: now() });
  await replays.finish({ id: 'answered', status: 201, body: '{"id":"x"}', now: now() });
  await duties.advance('webhook abc', 5);
  return useOf(store, clock, keys);
}

/** Tools in every state, under names that are no plain ones. */
async function fillPins({ pins }: Store): Promise<void> {
  const terms = { mode: 'first-sight', onChange: { schema: 'quarantine', annotations: 'report', wording: 'report' } } as const;
  for (const tool of ['pay', '__proto__', 'red \u001b[31m\u2028']) {
    let stored: ToolPin | undefined;
    for (const more of [{}, { description: 'x'.repeat(40_000) }, { inputSchema: { a: 1 } }]) {
      const sighting = readSighting(Buffer.from(JSON.stringify({ name: tool, ...more })));
      const { pin, event } = judgeSighting(stored, sighting, { upstream: 'wiki', tool, terms, now: 1 });
      if (event) await pins.put({ pin, expected: stored?.revision ?? 0, record: pinFacts(event, pin) });
      stored = pin;
    }
  }
}

/** Goes on using a store that was filled before. */
export function useOf(store: Store, clock: SteppedClock, keys: Map<string, KeyRecord>, seed = 1): Use {
  const { ledger, keyring } = store;
  const random = seeded(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const ancestors = (key: KeyRecord) => key.parentIds.map((id) => keys.get(id)).filter((each) => each !== undefined);
  const begin: Use['begin'] = async (keyId, price, tool) => {
    const key = keys.get(keyId);
    if (!key) throw new Error(`no key ${keyId}`);
    const id = randomUUID();
    const facts = factsOfCall(key, tool);
    const share = { name: 'wiki.tools[0] amount', amount: price, limit: 1_000_000_000, per: 'day', zone: 'UTC' } as const;
    const request: AdmitRequest = {
      ...{ root: rootOf(key), reservationId: id, key, ancestors: ancestors(key), price: micros(price), now: clock.now() },
      ...{ counts: tool !== undefined || price > 0, ...(tool !== undefined && { tool, totals: [share] }) },
      holdUntil: clock.now() + 2 * minute,
      ...(random() < 0.3 && { onExpiry: 'none' as const }),
      intent: { kind: 'call.intent', ...facts },
    };
    const answer = await ledger.admit(request);
    if (answer.kind === 'stale' || answer.kind === 'dead') throw new Error(`the call was ${answer.kind}`);
    return answer.kind === 'admitted' ? { key, id, price, facts } : undefined;
  };
  const settle: Use['settle'] = async ({ key, id, facts }, charge, released = false) => {
    const outcome: RecordFacts = { kind: 'call.outcome', ...facts, charged: formatMicros(charge), status: 200 };
    const ended = { charge: micros(charge), released, now: clock.now(), outcome };
    await ledger.settle({ root: rootOf(key), reservationId: id, ...ended });
  };
  const callOnce = async (): Promise<void> => {
    clock.step(Math.floor(random() * minute));
    const callers = [...keys.keys()].filter((id) => !['DELETED0', 'REVOKED0'].includes(id));
    const tool = random() < 0.15 ? undefined : pick(['get_page', 'get_list', 'write_page']);
    const running = await begin(pick(callers), random() < 0.2 || tool === undefined ? 0 : Math.floor(random() * 9_000), tool);
    if (!running) return;
    const { price } = running;
    const ending = random();
    if (ending < 0.1) return settle(running, 0, true);
    if (ending < 0.8) return settle(running, random() < 0.5 ? price : Math.floor(random() * price));
    // The gateway is gone, or slow: the hold expires, and some outcomes come after it.
    clock.step(3 * minute);
    await ledger.sweep({ now: clock.now() });
    if (ending < 0.9) await settle(running, Math.floor(random() * price));
  };
  return {
    keys,
    begin,
    settle,
    call: async (count) => {
      for (let made = 0; made < count; made += 1) await callOnce();
    },
    limit: async (keyId, limits) => {
      const before = keys.get(keyId);
      if (!before) throw new Error(`no key ${keyId}`);
      const record = { ...before, ...limits, revision: before.revision + 1 };
      const fact = { kind: 'key.changed', ...limitTexts(record) } as const;
      if (!(await keyring.replace({ record, expected: before.revision, fact, by }))) throw new Error('stale');
      keys.set(keyId, record);
    },
  };
}
