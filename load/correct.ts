import { parseMicros } from '../src/domain/money.ts';
import type { JournalRecord } from '../src/domain/record.ts';
import type { Place } from '../test/process/served.ts';
import { readJournal } from '../test/support/gateway.ts';
import { post, toolCall } from '../test/support/post.ts';

const parallel = 8;

/**
 * Makes `calls` calls with a key whose budget pays for `affordable` of them, and looks at each answer: its own id, its own mark, and
 * a refusal for exactly those beyond the budget. Answers what is wrong, in words.
 */
export async function checkCalls(options: { url: string; key: string; calls: number; affordable: number }): Promise<string[]> {
  const { url, key, calls, affordable } = options;
  const wrong: string[] = [];
  let passed = 0;
  let next = 0;
  const caller = async (): Promise<void> => {
    while (next < calls) {
      next += 1;
      const mark = `mark-${next}-of-${calls}`;
      const { json, text } = await post(url, { key, body: toolCall('checked', { mark }, mark) });
      const refused = json.error?.data.reason === 'BUDGET_EXHAUSTED';
      if (json.result && text.includes(`${mark} `)) passed += 1;
      if (json.id !== mark || !(refused || (json.result && text.includes(`${mark} `)))) wrong.push(`${mark} was answered with ${text}`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, caller));
  if (passed !== affordable) wrong.push(`${passed} calls passed, but the budget pays for ${affordable}`);
  return wrong;
}

/** What the store says after everything has ended: nothing held, the ledger's sums equal to the journal's, every call seen on record. */
export function checkSums(place: Place, options: { keyIds: readonly string[]; priceMicros: number; seen: number }): Promise<string[]> {
  return place.open(async (authority) => {
    const wrong: string[] = [];
    const records = await readJournal(authority);
    const intents = records.filter(({ kind }) => kind === 'call.intent').length;
    const outcomes = records.filter(({ kind }) => kind === 'call.outcome');
    if (outcomes.length !== intents) wrong.push(`${intents} intents have ${outcomes.length} outcomes`);
    if (options.seen > intents) wrong.push(`the upstream saw ${options.seen} calls, but ${intents} are on record`);
    const charged = sumOf(outcomes);
    if (charged < options.seen * options.priceMicros)
      wrong.push(`${options.seen} calls were seen, but only ${charged} micro-units charged`);
    let spent = 0;
    for (const id of options.keyIds) {
      const key = await authority.keyring.get(id);
      const line = key && (await authority.ledger.usage({ key, ancestors: [], now: Date.now() })).find(({ unit }) => unit === 'micros');
      if (!line) wrong.push(`key ${id} has no budget in the ledger`);
      else if (line.held !== 0) wrong.push(`key ${id} still holds ${line.held} micro-units`);
      spent += line?.spent ?? 0;
    }
    if (spent !== charged) wrong.push(`the ledger says ${spent} micro-units were spent, the journal ${charged}`);
    return wrong;
  });
}

function sumOf(outcomes: readonly JournalRecord[]): number {
  return outcomes.reduce((sum, { charged }) => sum + (parseMicros(String(charged)) ?? Number.NaN), 0);
}
