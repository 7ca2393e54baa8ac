import type { JournalRecord } from '../../src/domain/record.ts';
import { hour } from '../ports/subject.ts';

/** A key as the simulation made it, in its own words. */
export interface SimulatedKey {
  readonly id: string;
  readonly key: string;
  /** The key itself, then its ancestors from the parent up. */
  readonly line: readonly string[];
  readonly account: string | undefined;
  /** Micro-units; of all time, and of each hour. */
  readonly total: number | undefined;
  readonly hourly: number | undefined;
  readonly callsHourly: number | undefined;
  readonly expiresAt: number;
  /** 0 read, 1 trade, 2 manage. */
  rank: number;
  revoked: boolean;
}

interface Call {
  readonly requestId: string;
  readonly keyId: string;
  readonly time: number;
  readonly price: number;
  charged: number | undefined;
  outcomes: number;
  lastStatus: unknown;
}

/** What each tool needs and costs, said once more and differently than the configuration says it. */
export const toolTerms = [
  { prefix: 'free_', rank: 0, price: 0 },
  { prefix: 'paid_', rank: 0, price: 50_000 },
  { prefix: 'trade_', rank: 1, price: 200_000 },
  { prefix: 'manage_', rank: 2, price: 500_000 },
] as const;

export function termsOfTool(tool: string): (typeof toolTerms)[number] | undefined {
  return toolTerms.find(({ prefix }) => tool.startsWith(prefix));
}

/** The invariants over the journal alone: every record is looked at as it is written, in the order of its commit. */
export class Model {
  readonly keys = new Map<string, SimulatedKey>();
  readonly violations: string[] = [];
  /** By reservation, and by the request that it was for. */
  readonly calls = new Map<string, Call>();
  readonly intents = new Set<string>();
  readonly credited = new Map<string, number>();
  readonly #counts = new Map<string, number>();

  fault(what: string): void {
    this.violations.push(what);
  }

  /** @param rankOf the rank that a key's stored scopes have now */
  record(text: string, rankOf: (keyId: string) => number | undefined): void {
    const record = JSON.parse(text) as JournalRecord;
    const key = this.keys.get(record.keyId ?? '');
    if (record.kind === 'call.intent') this.#intent(record);
    else if (record.kind === 'call.outcome') this.#outcome(record);
    else if (record.kind === 'key.revoked' && key) key.revoked = true;
    else if (record.kind === 'key.changed' && key) key.rank = rankOf(key.id) ?? key.rank;
    else if (record.kind === 'account.credited') {
      const account = String(record.account);
      this.credited.set(account, (this.credited.get(account) ?? 0) + microsOf(record['amount']));
    }
  }

  /** What an account has left when everything that is charged, or held, is taken off. */
  balance(account: string): number {
    let left = this.credited.get(account) ?? 0;
    for (const call of this.calls.values()) if (this.keys.get(call.keyId)?.account === account) left -= call.charged ?? call.price;
    return left;
  }

  /** Of a key's budget of all time: what is spent by now. */
  spent(keyId: string): number {
    let spent = 0;
    for (const { keyId: id, charged } of this.calls.values()) if (this.keys.get(id)?.line.includes(keyId)) spent += charged ?? 0;
    return spent;
  }

  #intent({ requestId = '', reservationId = '', keyId = '', time, held, tool }: JournalRecord): void {
    const key = this.keys.get(keyId);
    if (!key) return void this.fault(`I1: an intent of a key that nobody minted: ${keyId}`);
    if (this.calls.has(reservationId)) this.fault(`I1: two intents of the reservation ${reservationId}`);
    const at = Date.parse(time);
    for (const id of key.line) {
      const each = this.keys.get(id);
      if (!each || each.revoked) this.fault(`I3: an intent of ${keyId} after ${id} was revoked`);
      else if (at >= each.expiresAt) this.fault(`I3: an intent of ${keyId} after the end of ${id}`);
      const terms = tool === undefined ? undefined : termsOfTool(tool);
      if (tool !== undefined && (!terms || terms.rank > (each?.rank ?? -1)))
        this.fault(`I7: ${keyId} was admitted to ${tool}, which ${id} may not call`);
    }
    const price = microsOf(held);
    this.intents.add(requestId);
    this.calls.set(reservationId, { requestId, keyId, time: at, price, charged: undefined, outcomes: 0, lastStatus: undefined });
    if (tool !== undefined) this.#add(key, { at, amount: price, calls: 1 });
    if (key.account !== undefined && price > 0 && this.balance(key.account) < 0) this.fault(`I2: account ${key.account} is overdrawn`);
  }

  #outcome({ reservationId = '', charged, status }: JournalRecord): void {
    const call = this.calls.get(reservationId);
    if (!call) return void this.fault(`I8: an outcome without an intent: ${reservationId}`);
    const charge = microsOf(charged);
    if (charge > call.price) this.fault(`I2: ${reservationId} was charged ${charge} of ${call.price}`);
    const key = this.keys.get(call.keyId);
    if (key) this.#add(key, { at: call.time, amount: charge - (call.charged ?? call.price), calls: 0 });
    Object.assign(call, { charged: charge, outcomes: call.outcomes + 1, lastStatus: status });
    if (key?.account !== undefined && this.balance(key.account) < 0) this.fault(`I2: account ${key.account} is overdrawn`);
  }

  /** Counts for the key and all above it, and looks at their limits at once. */
  #add(key: SimulatedKey, { at, amount, calls }: { at: number; amount: number; calls: number }): void {
    const window = Math.floor(at / hour);
    for (const id of key.line) {
      const each = this.keys.get(id);
      if (!each) continue;
      const limits = [
        { name: `${id} total`, by: amount, limit: each.total },
        { name: `${id} hour ${window}`, by: amount, limit: each.hourly },
        { name: `${id} calls ${window}`, by: calls, limit: each.callsHourly },
      ];
      for (const { name, by, limit } of limits) {
        const sum = (this.#counts.get(name) ?? 0) + by;
        this.#counts.set(name, sum);
        if (limit !== undefined && by > 0 && sum > limit) this.fault(`I2: ${name} stands at ${sum} of ${limit}`);
        if (sum < 0) this.fault(`I8: ${name} fell below zero`);
      }
    }
  }
}

export function microsOf(amount: unknown): number {
  return Math.round(Number(amount ?? 0) * 1_000_000);
}
