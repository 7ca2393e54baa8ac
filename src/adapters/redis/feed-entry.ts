/** One entry of the feed of key changes, as it stands in the stream. */
export interface FeedEntry {
  readonly id: string;
  readonly kind: 'begin' | 'done' | 'added' | 'joined';
  /** Id of the key that it is about; empty for `joined`. */
  readonly key: string;
  /** Of the process life that wrote it. */
  readonly origin: string;
  /** Id of the entry that began what is done now; empty otherwise. */
  readonly begun: string;
}

/** Fields and values for the stream. */
export function feedFields({ kind, key, origin, begun }: Omit<FeedEntry, 'id'>): string[] {
  return ['s', kind, 'k', key, 'o', origin, ...(begun === '' ? [] : ['b', begun])];
}

export function readFeedEntry([id, fields]: readonly [id: string, fields: readonly string[]]): FeedEntry {
  const field = (name: string): string => {
    const at = fields.findIndex((each, index) => index % 2 === 0 && each === name);
    return at < 0 ? '' : (fields[at + 1] ?? '');
  };
  return { id, kind: field('s') as FeedEntry['kind'], key: field('k'), origin: field('o'), begun: field('b') };
}

/** Orders the ids of a stream, `<ms>-<n>`; '' and whatever else is no id comes before all. */
export function compareEntryIds(one: string, other: string): number {
  const [oneMs = 0, oneSeq = 0] = partsOf(one);
  const [otherMs = 0, otherSeq = 0] = partsOf(other);
  return oneMs - otherMs || oneSeq - otherSeq;
}

/** Where a reader begins that has to hear of all that is at most `ms` older than an entry. */
export function entryIdBefore(id: string, ms: number): string {
  const [at = 0] = partsOf(id);
  return `${Math.max(0, at - ms)}-0`;
}

function partsOf(id: string): number[] {
  return /^\d+-\d+$/.test(id) ? id.split('-').map(Number) : [];
}
