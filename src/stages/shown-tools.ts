import type { KnownList } from '../domain/known-lists.ts';
import type { ListedItem } from '../domain/listing.ts';
import type { Ports } from './ports.ts';
import type { Located } from './reached.ts';

/** Whether a listed tool is shown, as far as pins say: the whole list is judged when its first element is asked about. */
export function pinnedTools(
  { toolPins }: Pick<Ports, 'toolPins'>,
  { upstream }: Pick<Located, 'upstream'>,
  { named }: KnownList,
): (item: ListedItem) => boolean {
  if (upstream.pinning.mode === 'off') return () => true;
  let shown: ReadonlySet<string> | undefined;
  return ({ name }) => {
    shown ??= toolPins.sight(upstream, named);
    return name !== undefined && shown.has(name);
  };
}
