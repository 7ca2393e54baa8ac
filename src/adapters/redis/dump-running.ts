import type { RunningEntry } from '../../ports/dump.ts';
import type { Connection } from './connection.ts';
import type { PartitionName } from './dump-names.ts';
import { inPartition } from './layout.ts';

const pageIds = 200;

/** A plan as plan.ts writes it: holder, counter, start, end, amount and settling of each taking, then its limits. */
interface Plan {
  readonly key: string;
  readonly price: number;
  readonly account?: string;
  readonly takings: readonly (readonly [holder: string, counter: string, start: number, end: number, amount: number, settling: string])[];
}

/** The calls that run and the leases that are open. @param names  of their sorted sets */
export async function* runningIn({ client }: Pick<Connection, 'client'>, names: readonly PartitionName[]): AsyncGenerator<RunningEntry> {
  for (const { name, partition } of names) {
    const ids = await client.zrange(name, '0', '-1');
    const leases = name === inPartition.leases(partition);
    for (let from = 0; from < ids.length; from += pageIds) {
      const some = ids.slice(from, from + pageIds);
      if (leases) {
        const texts = await Promise.all(some.map((id) => client.hgetall(inPartition.lease(partition, id))));
        for (const [at, id] of some.entries()) yield* leaseEntries(id, texts[at] ?? {});
      } else {
        const texts = await client.hmget(inPartition.holds(partition), ...some);
        for (const [at, id] of some.entries()) yield* holdEntries(id, texts[at] ?? '');
      }
    }
  }
}

/** As ledger.lua keeps it: owner, plan. One that has ended meanwhile gives none. */
function* holdEntries(id: string, text: string): Generator<RunningEntry> {
  if (text === '') return;
  const { key: keyId, price } = JSON.parse(text.split('\n')[1] ?? '') as Plan;
  yield { is: 'hold', id, keyId, price };
}

/** What lease.lua does where it closes one: a lease that was closed meanwhile gives none. */
function* leaseEntries(id: string, fields: Readonly<Record<string, string>>): Generator<RunningEntry> {
  const { plan: planText, terms: termsText, closed, drawn = '0', charged = '0' } = fields;
  if (planText === undefined || termsText === undefined || closed === '1') return;
  const { key: keyId, price, account, takings } = JSON.parse(planText) as Plan;
  const [calls = 0] = JSON.parse(termsText) as number[];
  const running = Object.entries(fields).filter(([name, text]) => name.startsWith(':') && text !== '' && text !== 'm');
  const over = calls - running.length;
  const counters = takings.map(([holder, counter, start, , amount, settling]) => {
    const spent = settling === 'at-once' ? Number(drawn) * amount : Number(charged);
    return { holder, counter, start, spent, held: -(settling === 'at-once' ? calls : over) * amount };
  });
  const given = account === undefined || price === 0 ? {} : { account: { id: account, balance: -Number(charged), held: -over * price } };
  yield { is: 'lease', id, counters, ...given };
  for (const [name] of running) yield { is: 'hold', id: name.slice(1), keyId, price };
}
