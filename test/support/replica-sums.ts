import { formatMicros, parseMicros } from '../../src/domain/money.ts';
import type { JournalRecord } from '../../src/domain/record.ts';
import type { RecordingUpstream } from './recording-upstream.ts';
import { until } from './redis-server.ts';
import type { Replicas } from './replicas.ts';

/** What the records of the store say once everything has ended, and whatever of it contradicts something else. */
export interface Sums {
  /** In words; empty where upstream, journal, accounts and usage agree to the micro-unit. */
  readonly wrong: readonly string[];
  readonly records: readonly JournalRecord[];
  readonly intents: readonly JournalRecord[];
  /** Of them, those that were charged although the upstream did not see them. */
  readonly unsent: readonly JournalRecord[];
  /** Micro-units, all keys together. */
  readonly charged: number;
  /** `performance.now()` when nothing was held any more. */
  readonly heldUntil: number;
}

interface Line {
  readonly name: string;
  readonly unit: string;
  readonly limit: string | number;
  readonly spent: string | number;
  readonly held: string | number;
}

/** A reservation's last outcome, and whose it is. */
interface Charge {
  readonly keys: readonly string[];
  readonly account: string | undefined;
  readonly micros: number;
}

/**
 * Waits until nothing is held, then compares what the upstream saw, the exported journal, the accounts and the keys' use.
 * @param options.accounts  each with what it was credited with, decimal
 * @param options.keyIds  keys whose limits are all `total`
 * @param options.priceMicros  what one call costs
 */
export async function compareSums(
  replicas: Replicas,
  options: { upstream: RecordingUpstream; accounts: ReadonlyMap<string, string>; keyIds: readonly string[]; priceMicros: number },
): Promise<Sums> {
  const { upstream, accounts, keyIds, priceMicros } = options;
  const ids = [...accounts.keys()];
  const balances = async (at: number) => Promise.all(ids.map((id) => replicas.done({ verb: 'GET', path: `/accounts/${id}` }, at)));
  // One after the other, and none again that holds nothing: an operator's key may ask only so often.
  for (const id of ids) {
    const free = async () => (await replicas.done({ verb: 'GET', path: `/accounts/${id}` }))['held'] === '0';
    await until(free, `nothing is held of ${id}`);
  }
  const heldUntil = performance.now();
  const records = await replicas.journal();
  const intents = records.filter(({ kind, tool }) => kind === 'call.intent' && tool !== undefined);
  const { charges, wrong } = finalCharges(records);
  const seen = toolsSeen(upstream);
  wrong.push(...callFaults({ seen, intents, charges, priceMicros }));
  const sent = new Set(seen);
  const unsent = intents.filter(({ tool, reservationId }) => !sent.has(String(tool)) && charges.get(String(reservationId))?.micros !== 0);

  const sum = (of: (charge: Charge) => boolean) => [...charges.values()].filter(of).reduce((total, { micros }) => total + micros, 0);
  for (const [at] of replicas.all.entries()) {
    for (const account of await balances(at)) {
      const id = String(account['id']);
      const due = micros(accounts.get(id)) - sum((charge) => charge.account === id);
      if (due < 0) wrong.push(`more was charged to the account ${id} than it had`);
      if (micros(account['balance']) !== due) {
        wrong.push(`replica ${at} says that ${id} has ${String(account['balance'])}, the journal leaves ${formatMicros(Math.max(0, due))}`);
      }
    }
  }
  for (const [place, id] of keyIds.entries()) {
    // Any replica answers for any key.
    const at = place % replicas.all.length;
    const { data } = await replicas.done({ verb: 'GET', path: `/usage?keyId=${id}` }, at);
    const [{ limits } = { limits: [] }] = data as { limits: Line[] }[];
    for (const line of limits.filter(({ name }) => name.startsWith(`key:${id} `))) {
      const counted = intents.filter(({ keyId, parentIds }) => keyId === id || parentIds?.includes(id)).length;
      const due = line.unit === 'money' ? sum(({ keys }) => keys.includes(id)) : counted;
      const [spent, held, limit] = [amount(line.spent), amount(line.held), amount(line.limit)];
      if (spent !== due) wrong.push(`replica ${at} says that ${line.name} has ${spent} spent, the journal ${due}`);
      if (held !== 0) wrong.push(`${line.name} still holds ${held}`);
      if (!(spent <= limit)) wrong.push(`${line.name} is over: ${spent} of ${limit}`);
    }
  }
  const verified = await replicas.cli('journal', 'verify');
  if (verified.code !== 0) wrong.push(`the journal does not verify: ${verified.stdout}${verified.stderr}`);
  return { wrong, records, intents, unsent, charged: sum(() => true), heldUntil };
}

/** Names of the tools that the upstream was asked for, in order. */
export function toolsSeen(upstream: RecordingUpstream): string[] {
  return upstream.calls('tools/call').map(({ message }) => (message as { params: { name: string } }).params.name);
}

/** Each call has a tool of its own, so what the upstream saw can be found again in the journal. */
function callFaults(options: {
  seen: readonly string[];
  intents: readonly JournalRecord[];
  charges: ReadonlyMap<string, Charge>;
  priceMicros: number;
}): string[] {
  const { seen, intents, charges, priceMicros } = options;
  const wrong: string[] = [];
  const byTool = new Map(intents.map((intent) => [String(intent.tool), String(intent.reservationId)]));
  if (byTool.size !== intents.length) wrong.push(`${intents.length} intents are for ${byTool.size} calls`);
  if (charges.size !== intents.length) wrong.push(`${intents.length} intents have ${charges.size} outcomes`);
  if (new Set(seen).size !== seen.length) wrong.push('a call reached the upstream twice');
  for (const tool of seen) {
    const reservation = byTool.get(tool);
    if (reservation === undefined) wrong.push(`the upstream saw ${tool}, which has no intent`);
    else if (charges.get(reservation)?.micros !== priceMicros) {
      wrong.push(`the upstream saw ${tool}, which was charged ${charges.get(reservation)?.micros} micro-units`);
    }
  }
  return wrong;
}

/** The last outcome of a reservation states its charge; one that is corrected stands for the one before it. */
function finalCharges(records: readonly JournalRecord[]): { charges: Map<string, Charge>; wrong: string[] } {
  const charges = new Map<string, Charge>();
  const wrong: string[] = [];
  for (const record of records) {
    const { kind, reservationId, keyId, parentIds = [], account, charged, corrected } = record;
    if (kind !== 'call.outcome' || reservationId === undefined) continue;
    if (charges.has(reservationId) && corrected !== true) wrong.push(`reservation ${reservationId} has two outcomes`);
    charges.set(reservationId, { keys: [String(keyId), ...parentIds], account, micros: charged === undefined ? 0 : micros(charged) });
  }
  return { charges, wrong };
}

function amount(value: string | number): number {
  return typeof value === 'number' ? value : micros(value);
}

function micros(value: unknown): number {
  return parseMicros(String(value)) ?? Number.NaN;
}
