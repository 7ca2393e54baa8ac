import type { Authority } from '../src/authority/authority.ts';
import { parseMicros } from '../src/domain/money.ts';
import type { JournalRecord } from '../src/domain/record.ts';
import type { Place } from '../test/process/served.ts';
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

/**
 * What the store says after everything has ended: nothing held, the ledger's sums equal to the journal's, every call seen on record.
 * @param options.seen how many calls the upstream saw; `priced` of them at the price
 */
export function checkSums(
  place: Place,
  options: { keyIds: readonly string[]; priceMicros: number; seen: number; priced?: number },
): Promise<string[]> {
  const { keyIds, priceMicros, seen, priced = seen } = options;
  return place.open(async (authority) => {
    const wrong: string[] = [];
    const { intents, outcomes, charged } = await sumsOf(authority);
    if (outcomes !== intents) wrong.push(`${intents} intents have ${outcomes} outcomes`);
    if (seen > intents) wrong.push(`the upstream saw ${seen} calls, but ${intents} are on record`);
    if (!(charged >= priced * priceMicros)) wrong.push(`${priced} priced calls were seen, but only ${charged} micro-units charged`);
    let spent = 0;
    for (const id of keyIds) {
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

/** A page of the journal at a time: all of it could be more than memory holds. */
async function sumsOf({ journal }: Pick<Authority, 'journal'>): Promise<{ intents: number; outcomes: number; charged: number }> {
  const sums = { intents: 0, outcomes: 0, charged: 0 };
  await journal.head();
  for (let after = 0; ; ) {
    const lines = await journal.read({ after, limit: 5_000 });
    const last = lines.at(-1);
    if (!last) return sums;
    after = last.position;
    for (const { text } of lines) {
      const { kind, charged } = JSON.parse(text) as JournalRecord;
      if (kind === 'call.intent') sums.intents += 1;
      if (kind !== 'call.outcome') continue;
      sums.outcomes += 1;
      sums.charged += parseMicros(String(charged)) ?? Number.NaN;
    }
  }
}
