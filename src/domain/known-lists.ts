import { type ListTerms, type ReadList, readList } from './listing.ts';

/** Longest text of a list that is remembered, and most of all together, in bytes. What was read of one takes about twice as much again. */
const textBytesMax = 1_048_576;
const allBytesMax = 4_194_304;

/** A list, and by which names and texts pins know its elements. */
export interface KnownList extends ReadList {
  readonly named: readonly { readonly name: string; readonly bytes: Buffer }[];
}

interface Known {
  readonly text: Buffer;
  readonly list: KnownList;
}

/**
 * What upstreams list, as it was read last. Lists are asked for by every client and hardly ever change, and to compare a text costs a hundredth of reading
 * it (measured). What is given back for the same text is the same object, by which others know what they have judged already.
 */
export class KnownLists {
  /** In the order in which they were read. */
  private readonly known = new Map<string, Known>();
  private bytes = 0;

  /** @throws Error where the member is no array */
  read(upstream: string, terms: ListTerms): KnownList {
    const { message, member } = terms;
    const { start, end } = message.body;
    const text = message.bytes.subarray(start, end);
    // Everything that was read tells where it stands in the message. Lists of several pages are of several lengths.
    const key = `${upstream}\n${member}\n${terms.private?.ttlMsMax}\n${start}\n${end}`;
    const before = this.known.get(key);
    if (message.outcome === 'result' && before?.text.equals(text)) return before.list;
    this.forget(key);
    // A copy, since what is remembered would else keep the whole message.
    const isKept = text.length <= textBytesMax;
    const own = isKept ? Buffer.from(text) : text;
    const list = withNames(readList(terms), own, start);
    if (isKept) this.remember(key, { text: own, list });
    return list;
  }

  private remember(key: string, known: Known): void {
    this.known.set(key, known);
    this.bytes += known.text.length;
    for (const oldest of this.known.keys()) {
      if (this.bytes <= allBytesMax) return;
      this.forget(oldest);
    }
  }

  private forget(key: string): void {
    this.bytes -= this.known.get(key)?.text.length ?? 0;
    this.known.delete(key);
  }
}

function withNames(list: ReadList, text: Buffer, start: number): KnownList {
  const named = list.elements.flatMap(({ name, span }) => {
    return name === undefined ? [] : [{ name, bytes: text.subarray(span.start - start, span.end - start) }];
  });
  return { ...list, named };
}
