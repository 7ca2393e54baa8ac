import type { ListedItem } from '../domain/listing.ts';
import type { ResponseMessage } from '../domain/message.ts';
import type { Ports } from './ports.ts';
import type { Located } from './reached.ts';

/** Whether a listed tool is shown, as far as pins say: the whole list is judged when its first element is asked about. */
export function pinnedTools(
  { toolPins }: Pick<Ports, 'toolPins'>,
  { upstream }: Pick<Located, 'upstream'>,
  { bytes }: ResponseMessage,
): (item: ListedItem, all: readonly ListedItem[]) => boolean {
  if (upstream.pinning.mode === 'off') return () => true;
  let shown: ReadonlySet<string> | undefined;
  return ({ name }, all) => {
    shown ??= toolPins.sight(
      upstream,
      all.flatMap(({ name: tool, span }) => (tool === undefined ? [] : [{ name: tool, bytes: bytes.subarray(span.start, span.end) }])),
    );
    return name !== undefined && shown.has(name);
  };
}
