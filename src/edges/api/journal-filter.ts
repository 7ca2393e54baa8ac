import { readLines } from '../../authority/export-journal.ts';
import type { Confined } from '../../authority/list.ts';
import type { Journal, JournalLine } from '../../ports/journal.ts';

/** What records are asked for by. Every member narrows. */
export interface JournalFilter {
  readonly kind?: string | undefined;
  readonly keyId?: string | undefined;
  readonly org?: string | undefined;
  readonly reason?: string | undefined;
  /** ISO 8601; since is inclusive, until exclusive. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Records read for one page at most: a narrow filter over a long journal must not hold up everyone else. */
const scannedMax = 20_000;

/** The filter within what its asker may see: an operator confined to an organisation sees its records and no others. */
export function confinedJournalFilter(filter: JournalFilter, { orgId }: Confined): JournalFilter | undefined {
  if (orgId === undefined) return filter;
  return filter.org === undefined || filter.org === orgId ? { ...filter, org: orgId } : undefined;
}

/** Compiles a filter; the answer takes a record's exact text. A `kind` that ends in `.*` or names a family stands for all of it. */
export function compileFilter(filter: JournalFilter): (text: string) => boolean {
  const { kind, keyId, org, reason, since, until } = filter;
  const sinceMs = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
  const untilMs = until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until);
  const family = kind === undefined ? undefined : `${kind.replace(/\.\*$/, '')}.`;
  // Values stand in the text as JSON writes them, so most records are passed over without being parsed.
  const quoted = [keyId, org, reason].filter((value) => value !== undefined).map((value) => JSON.stringify(value));
  return (text) => {
    if (!quoted.every((value) => text.includes(value))) return false;
    const record = JSON.parse(text) as Record<string, unknown>;
    const time = Date.parse(String(record.time));
    return (
      time >= sinceMs &&
      time < untilMs &&
      (kind === undefined || record.kind === kind || String(record.kind).startsWith(family ?? '')) &&
      (keyId === undefined || record.keyId === keyId || (Array.isArray(record.parentIds) && record.parentIds.includes(keyId))) &&
      (org === undefined || record.org === org) &&
      (reason === undefined || record.reason === reason)
    );
  };
}

export interface JournalPage {
  readonly lines: readonly JournalLine[];
  /** Where to go on; undefined where the journal ends here for now. */
  readonly next: number | undefined;
}

/** Matching records after one position, oldest first. A page may be short, or empty, and still have a next one. */
export async function readPage(
  journal: Pick<Journal, 'read' | 'head'>,
  options: { after: number; limit: number; matches: (text: string) => boolean },
): Promise<JournalPage> {
  const { limit, matches } = options;
  const lines: JournalLine[] = [];
  let { after } = options;
  let scanned = 0;
  const readOn = async (): Promise<number | undefined> => {
    for await (const line of readLines(journal, { after })) {
      after = line.position;
      scanned += 1;
      if (matches(line.text)) lines.push(line);
      if (lines.length === limit || scanned === scannedMax) return after;
    }
    return undefined;
  };
  const next = await readOn();
  if (next !== undefined) return { lines, next };
  // Whoever has read all there was is to get the newest records too, which the store may have to make readable first.
  return { lines, next: (await journal.head()) > after ? await readOn() : undefined };
}
