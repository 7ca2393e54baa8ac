import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { KeptEntry } from '../ports/dump.ts';

type Kind = KeptEntry['is'];

/** What a dump amounts to. Two stores that hold the same give the same totals, in whatever order they are read. */
export interface DumpTotals {
  readonly counts: Readonly<Record<Kind, number>>;
  /** Whole numbers as text, because they may be beyond 2^53. Micro-units, calls, and millionths of running totals. */
  readonly sums: {
    readonly balances: string;
    readonly references: string;
    readonly spentMicros: string;
    readonly spentCalls: string;
    readonly spentShares: string;
  };
  /** For each kind SHA-256 of its entries, added up modulo 2^256, hex: one that differs anywhere gives another. */
  readonly contents: Readonly<Record<Kind, string>>;
}

export const dumpKinds: readonly Kind[] = [
  ...(['fingerprint', 'key', 'account', 'reference', 'counters', 'totals', 'factor', 'pin', 'progress', 'once', 'replay'] as const),
  ...(['line', 'checkpoint'] as const),
];

/** Kinds of which a store may keep less than it was given: they are forgotten with time, or newer ones stand for them. */
const fleeting: ReadonlySet<Kind> = new Set(['once', 'replay', 'checkpoint']);

export interface DumpTally {
  add(entry: KeptEntry): void;
  totals(): DumpTotals;
}

const modulus = 1n << 256n;

export function createDumpTally(): DumpTally {
  const counts = new Map<Kind, number>();
  const contents = new Map<Kind, bigint>();
  const sums = { balances: 0n, references: 0n, spentMicros: 0n, spentCalls: 0n, spentShares: 0n };
  return {
    add(entry) {
      counts.set(entry.is, (counts.get(entry.is) ?? 0) + 1);
      const digest = createHash('sha256').update(contentOf(entry)).digest('hex');
      contents.set(entry.is, ((contents.get(entry.is) ?? 0n) + BigInt(`0x${digest}`)) % modulus);
      if (entry.is === 'account') sums.balances += BigInt(entry.account.balance);
      if (entry.is === 'reference') sums.references += BigInt(entry.amount);
      if (entry.is !== 'counters') return;
      for (const [counter, windows] of Object.entries(entry.counters)) {
        const sum = sumOf(counter);
        for (const { spent } of windows) sums[sum] += BigInt(spent);
      }
    },
    totals: () => ({
      counts: recordOf((kind) => counts.get(kind) ?? 0),
      sums: {
        balances: String(sums.balances),
        references: String(sums.references),
        spentMicros: String(sums.spentMicros),
        spentCalls: String(sums.spentCalls),
        spentShares: String(sums.spentShares),
      },
      contents: recordOf((kind) => (contents.get(kind) ?? 0n).toString(16).padStart(64, '0')),
    }),
  };
}

/** Where a store holds something else than it was given, in words. */
export function differencesOf(given: DumpTotals, held: DumpTotals): string[] {
  const kinds = dumpKinds.flatMap((kind) => {
    // A file of an earlier release says nothing of kinds that came later.
    const [wanted, found] = [given.counts[kind] ?? 0, held.counts[kind]];
    if (fleeting.has(kind)) return found > wanted ? [`${found} entries of kind ${kind}, not ${wanted}`] : [];
    if (found !== wanted) return [`${found} entries of kind ${kind}, not ${wanted}`];
    return found === 0 || held.contents[kind] === given.contents[kind] ? [] : [`other contents of kind ${kind}`];
  });
  const sums = (Object.keys(given.sums) as (keyof DumpTotals['sums'])[]).flatMap((name) =>
    held.sums[name] === given.sums[name] ? [] : [`${name} of ${held.sums[name]}, not ${given.sums[name]}`],
  );
  return [...kinds, ...sums];
}

/** What stores keep alike: a payment is known by account in one kind of store and by partition in the other. */
function contentOf(entry: KeptEntry): string {
  if (entry.is === 'line') return `${entry.position} ${entry.text}`;
  return canonicalJson(entry.is === 'reference' ? { ...entry, of: null } : entry);
}

function sumOf(counter: string): 'spentMicros' | 'spentCalls' | 'spentShares' {
  if (counter.startsWith('micros ')) return 'spentMicros';
  return counter.startsWith('total ') ? 'spentShares' : 'spentCalls';
}

function recordOf<Value>(read: (kind: Kind) => Value): Record<Kind, Value> {
  return Object.fromEntries(dumpKinds.map((kind) => [kind, read(kind)])) as Record<Kind, Value>;
}
